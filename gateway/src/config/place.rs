//! Where the tables are: which keys belong to which kind of warehouse.

use super::validate::Checker;
use super::{Account, Authenticator, Place, Secret, Server, file};

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
                self.of_another(&of_snowflake(raw), "embedded");
                let hint = "name the folder of data files: data = \"data\" under [warehouse]";
                self.path("warehouse.data", raw.data.clone(), hint).map(Place::Folder)
            }
            Some(file::Kind::Postgres) => {
                self.of_another(&of_embedded(raw), "postgres");
                self.of_another(&of_snowflake(raw), "postgres");
                self.server(raw).map(Place::Postgres)
            }
            Some(file::Kind::Snowflake) => {
                let foreign = [
                    ("warehouse.host", raw.host.is_some()),
                    ("warehouse.port", raw.port.is_some()),
                    ("warehouse.password_file", raw.password_file.is_some()),
                    ("warehouse.password_env", raw.password_env.is_some()),
                ];
                self.of_another(&foreign, "snowflake");
                self.of_another(&of_embedded(raw), "snowflake");
                self.account(raw).map(Place::Snowflake)
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

    /// A key that must say something.
    fn word(&mut self, key: &str, value: &Option<String>, hint: &str) -> Option<String> {
        let value = value.clone().filter(|value| !value.is_empty());
        if value.is_none() {
            self.note(key, format!("\"{key}\" is missing"), hint);
        }
        value
    }

    fn schemas(&mut self, raw: &file::Warehouse) {
        if raw.schemas.is_empty() {
            self.note(
                "warehouse.schemas",
                "\"warehouse.schemas\" is missing",
                "name the schemas to govern: schemas = [\"public\"]",
            );
        }
    }

    fn account(&mut self, raw: &file::Warehouse) -> Option<Account> {
        let name = self.word("warehouse.account", &raw.account, "name the account: \"xy12345\"");
        let database = self.word("warehouse.database", &raw.database, "name the database");
        let user = self.word("warehouse.user", &raw.user, "name the user to connect as");
        self.schemas(raw);
        let file = raw.secret_file.as_ref().map(|file| Secret::File(self.base.join(file)));
        let variable = raw.secret_env.clone().map(Secret::Environment);
        let command = raw.secret_command.clone().filter(|command| !command.is_empty());
        let mut secrets: Vec<Secret> =
            [file, variable, command.map(Secret::Command)].into_iter().flatten().collect();
        let secret = secrets.pop();
        if secret.is_none() || !secrets.is_empty() {
            self.note(
                "warehouse.secret_file",
                "the secret has to be in one place",
                "set one of \"secret_file\", \"secret_env\" and \"secret_command\"",
            );
        }
        let name = name?;
        let address =
            raw.address.clone().unwrap_or_else(|| format!("https://{name}.snowflakecomputing.com"));
        Some(Account {
            address,
            name,
            database: database?,
            user: user?,
            virtual_warehouse: raw.virtual_warehouse.clone(),
            role: raw.role.clone(),
            authenticator: match raw.authenticator {
                Some(file::Authenticator::Password) | None => Authenticator::Password,
                Some(file::Authenticator::KeyPair) => Authenticator::KeyPair,
                Some(file::Authenticator::Oauth) => Authenticator::OAuth,
                Some(file::Authenticator::AccessToken) => Authenticator::AccessToken,
            },
            secret: secret?,
            schemas: raw.schemas.clone(),
            tls_ca: raw.tls_ca.as_ref().map(|file| self.base.join(file)),
        })
    }

    fn server(&mut self, raw: &file::Warehouse) -> Option<Server> {
        let hint = "name the server: host = \"127.0.0.1\"";
        let host = self.word("warehouse.host", &raw.host, hint);
        let database = self.word("warehouse.database", &raw.database, "name the database");
        let user = self.word("warehouse.user", &raw.user, "name the user to connect as");
        self.schemas(raw);
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

/// The keys of the embedded engine alone, and whether they are set.
fn of_embedded(raw: &file::Warehouse) -> [(&'static str, bool); 4] {
    [
        ("warehouse.data", raw.data.is_some()),
        ("warehouse.memory_limit", raw.memory_limit.is_some()),
        ("warehouse.target_partitions", raw.target_partitions.is_some()),
        ("warehouse.temp", raw.temp.is_some()),
    ]
}

/// The keys of Snowflake alone, and whether they are set.
fn of_snowflake(raw: &file::Warehouse) -> [(&'static str, bool); 8] {
    [
        ("warehouse.account", raw.account.is_some()),
        ("warehouse.address", raw.address.is_some()),
        ("warehouse.virtual_warehouse", raw.virtual_warehouse.is_some()),
        ("warehouse.role", raw.role.is_some()),
        ("warehouse.authenticator", raw.authenticator.is_some()),
        ("warehouse.secret_file", raw.secret_file.is_some()),
        ("warehouse.secret_env", raw.secret_env.is_some()),
        ("warehouse.secret_command", raw.secret_command.is_some()),
    ]
}
