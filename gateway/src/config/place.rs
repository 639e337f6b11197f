//! Where the tables are: which keys belong to which kind of warehouse.

use super::validate::Checker;
use super::{Place, Secret, Server, file};

impl Checker<'_> {
    pub(super) fn place(&mut self, raw: &file::Warehouse) -> Option<Place> {
        match raw.kind {
            Some(file::Kind::Embedded) | None => {
                let foreign = [
                    ("warehouse.host", raw.host.is_some()),
                    ("warehouse.port", raw.port.is_some()),
                    ("warehouse.database", raw.database.is_some()),
                    ("warehouse.user", raw.user.is_some()),
                    ("warehouse.password_file", raw.password_file.is_some()),
                    ("warehouse.password_env", raw.password_env.is_some()),
                    ("warehouse.schemas", !raw.schemas.is_empty()),
                    ("warehouse.tls_ca", raw.tls_ca.is_some()),
                ];
                self.of_another(&foreign, "embedded");
                let hint = "name the folder of data files: data = \"data\" under [warehouse]";
                self.path("warehouse.data", raw.data.clone(), hint).map(Place::Folder)
            }
            Some(file::Kind::Postgres) => {
                let foreign = [
                    ("warehouse.data", raw.data.is_some()),
                    ("warehouse.memory_limit", raw.memory_limit.is_some()),
                    ("warehouse.target_partitions", raw.target_partitions.is_some()),
                    ("warehouse.temp", raw.temp.is_some()),
                ];
                self.of_another(&foreign, "postgres");
                self.server(raw).map(Place::Postgres)
            }
        }
    }

    /// Notes keys that a kind of warehouse hasn't.
    fn of_another(&mut self, keys: &[(&str, bool)], kind: &str) {
        for (key, present) in keys {
            if *present {
                let message = format!("\"{key}\" is nothing to a warehouse of kind \"{kind}\"");
                self.note(key, message, "leave it out, or correct \"warehouse.kind\"");
            }
        }
    }

    fn server(&mut self, raw: &file::Warehouse) -> Option<Server> {
        let mut word = |key: &str, value: &Option<String>, hint: &str| {
            let value = value.clone().filter(|value| !value.is_empty());
            if value.is_none() {
                self.note(key, format!("\"{key}\" is missing"), hint);
            }
            value
        };
        let host = word("warehouse.host", &raw.host, "name the server: host = \"127.0.0.1\"");
        let database = word("warehouse.database", &raw.database, "name the database");
        let user = word("warehouse.user", &raw.user, "name the user to connect as");
        if raw.schemas.is_empty() {
            self.note(
                "warehouse.schemas",
                "\"warehouse.schemas\" is missing",
                "name the schemas to govern: schemas = [\"public\"]",
            );
        }
        let password = match (&raw.password_file, &raw.password_env) {
            (Some(_), Some(_)) => {
                self.note(
                    "warehouse.password_env",
                    "the password is in a file and in the environment",
                    "keep one of \"password_file\" and \"password_env\"",
                );
                None
            }
            (Some(file), None) => Some(Secret::File(self.base.join(file))),
            (None, Some(variable)) => Some(Secret::Environment(variable.clone())),
            (None, None) => None,
        };
        Some(Server {
            host: host?,
            port: raw.port.unwrap_or(5432),
            database: database?,
            user: user?,
            password,
            schemas: raw.schemas.clone(),
            tls_ca: raw.tls_ca.as_ref().map(|file| self.base.join(file)),
        })
    }
}
