//! Where the tables are: the warehouses, and which keys belong to which kind of warehouse.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use tollgate_catalog::WarehouseName;
use tollgate_warehouse::snowflake::same_warehouse;

use super::validate::Checker;
use super::{
    Account, Authenticator, Credits, Place, RoleWarehouse, Secret, Server, Warehouse, file, values,
};

/// The longest name of a warehouse.
const LONGEST: usize = 63;

/// How long a virtual warehouse stays awake that says nothing of it: the least that its service charges.
const SUSPEND: Duration = Duration::from_secs(60);

impl Checker<'_> {
    /// `[warehouse]` and the `[[warehouses]]` beside it; without either, what the first one lacks is said.
    pub(super) fn warehouses(
        &mut self,
        first: Option<file::Warehouse>,
        more: Vec<file::Warehouse>,
    ) -> Option<Vec<Warehouse>> {
        let first = if more.is_empty() { Some(first.unwrap_or_default()) } else { first };
        let first = first.into_iter().map(|raw| ("warehouse".to_owned(), raw));
        let more = more.into_iter().enumerate();
        let more = more.map(|(index, raw)| (format!("warehouses[{index}]"), raw));
        let all: Vec<_> = first.chain(more).map(|(at, raw)| self.warehouse(at, raw)).collect();
        let mut names = BTreeMap::new();
        let mut schemas = BTreeMap::new();
        for warehouse in all.iter().flatten() {
            if let Some(other) = names.insert(&warehouse.name, &warehouse.at) {
                self.note(
                    &warehouse.key("name"),
                    format!("warehouse \"{}\" is there twice", warehouse.name),
                    format!("give each a name of its own; the other one is {other}"),
                );
            }
            for schema in &warehouse.schemas {
                if let Some(other) = schemas.insert(schema, &warehouse.name) {
                    self.note(
                        &warehouse.key("schemas"),
                        format!("schema \"{schema}\" is in warehouse \"{other}\" already"),
                        "leave it out of one of them: a schema is in one warehouse",
                    );
                }
            }
        }
        all.into_iter().collect()
    }

    fn warehouse(&mut self, at: String, raw: file::Warehouse) -> Option<Warehouse> {
        let name = self.warehouse_name(&at, raw.name.as_deref());
        let place = self.place(&at, &raw);
        let key = |key: &str| format!("{at}.{key}");
        let memory_limit = raw.memory_limit.as_deref();
        let memory_limit = match memory_limit.map(|text| (text, values::size(text))) {
            Some((_, Some(bytes))) if bytes > 0 => Some(bytes),
            Some((text, _)) => {
                self.not_a_size(&key("memory_limit"), text);
                return None;
            }
            None => None,
        };
        let target_partitions = raw
            .target_partitions
            .map(|partitions| self.positive(&key("target_partitions"), Some(partitions), 1));
        let max_concurrent = self.positive(&key("max_concurrent"), raw.max_concurrent, 64);
        let attribution = self.interval(&key("attribution"), raw.attribution)?;
        if let (Some(_), Some(Place::Snowflake(Account { credits: None, .. }))) =
            (attribution, &place)
        {
            self.note(
                &key("attribution"),
                "what the virtual warehouse costs is missing",
                "say its size: size = \"XS\"; or leave \"attribution\" out",
            );
        }
        let refresh = self.interval(&key("refresh"), raw.refresh)?;
        Some(Warehouse {
            name: name?,
            place: place?,
            schemas: raw.schemas,
            memory_limit,
            target_partitions,
            temp: raw.temp.map(|temp| self.base.join(temp)),
            max_concurrent,
            refresh,
            attribution,
            at,
        })
    }

    /// How often something is done; of zero, and unless it is said, never.
    fn interval(&mut self, key: &str, text: Option<String>) -> Option<Option<Duration>> {
        let Some(text) = text else { return Some(None) };
        let every = self.duration(key, Some(text), None)?;
        Some((!every.is_zero()).then_some(every))
    }

    /// The name; only that of `[warehouse]` may be left out.
    fn warehouse_name(&mut self, at: &str, name: Option<&str>) -> Option<WarehouseName> {
        let hint = "write letters, digits, \"-\" and \"_\": name = \"sales\"";
        let fits = |name: &str| {
            let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            !name.is_empty() && name.len() <= LONGEST && name.chars().all(letters)
        };
        match name {
            Some(name) if fits(name) => Some(WarehouseName::new(name)),
            Some(name) => {
                let message = format!("\"{name}\" is not the name of a warehouse");
                self.note(&format!("{at}.name"), message, hint);
                None
            }
            None if at == "warehouse" => Some(WarehouseName::default()),
            None => {
                self.note(&format!("{at}.name"), "the name of a warehouse is missing", hint);
                None
            }
        }
    }

    fn place(&mut self, at: &str, raw: &file::Warehouse) -> Option<Place> {
        match raw.kind {
            Some(file::Kind::Embedded) | None => {
                let foreign = [
                    ("host", raw.host.is_some()),
                    ("port", raw.port.is_some()),
                    ("database", raw.database.is_some()),
                    ("user", raw.user.is_some()),
                    ("password_file", raw.password_file.is_some()),
                    ("password_env", raw.password_env.is_some()),
                    ("tls_ca", raw.tls_ca.is_some()),
                    ("pooled", raw.pooled.is_some()),
                ];
                self.of_another(at, &foreign, "embedded");
                self.of_another(at, &of_snowflake(raw), "embedded");
                let hint =
                    format!("name the folder of data files: data = \"data\" under [{}]", table(at));
                self.path(&format!("{at}.data"), raw.data.clone(), &hint).map(Place::Folder)
            }
            Some(file::Kind::Postgres) => {
                self.of_another(at, &of_embedded(raw), "postgres");
                self.of_another(at, &of_snowflake(raw), "postgres");
                self.server(at, raw).map(Place::Postgres)
            }
            Some(file::Kind::Snowflake) => {
                let foreign = [
                    ("host", raw.host.is_some()),
                    ("port", raw.port.is_some()),
                    ("password_file", raw.password_file.is_some()),
                    ("password_env", raw.password_env.is_some()),
                    ("pooled", raw.pooled.is_some()),
                ];
                self.of_another(at, &foreign, "snowflake");
                self.of_another(at, &of_embedded(raw), "snowflake");
                self.account(at, raw).map(Place::Snowflake)
            }
        }
    }

    /// Notes keys that a kind of warehouse hasn't.
    fn of_another(&mut self, at: &str, keys: &[(&str, bool)], kind: &str) {
        for (key, present) in keys {
            if *present {
                let key = format!("{at}.{key}");
                let message = format!("\"{key}\" is nothing to a warehouse of kind \"{kind}\"");
                let hint = format!("leave it out, or correct \"{at}.kind\"");
                self.note(&key, message, hint);
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

    fn schemas(&mut self, at: &str, raw: &file::Warehouse) {
        if raw.schemas.is_empty() {
            let key = format!("{at}.schemas");
            self.note(
                &key,
                format!("\"{key}\" is missing"),
                "name the schemas to govern: schemas = [\"public\"]",
            );
        }
    }

    fn account(&mut self, at: &str, raw: &file::Warehouse) -> Option<Account> {
        let key = |key: &str| format!("{at}.{key}");
        let name = self.word(&key("account"), &raw.account, "name the account: \"xy12345\"");
        let database = self.word(&key("database"), &raw.database, "name the database");
        let user = self.word(&key("user"), &raw.user, "name the user to connect as");
        self.schemas(at, raw);
        let file = raw.secret_file.as_ref().map(|file| Secret::File(self.base.join(file)));
        let variable = raw.secret_env.clone().map(Secret::Environment);
        let command = raw.secret_command.clone().filter(|command| !command.is_empty());
        let mut secrets: Vec<Secret> =
            [file, variable, command.map(Secret::Command)].into_iter().flatten().collect();
        let secret = secrets.pop();
        if secret.is_none() || !secrets.is_empty() {
            self.note(
                &key("secret_file"),
                "the secret has to be in one place",
                "set one of \"secret_file\", \"secret_env\" and \"secret_command\"",
            );
        }
        let own = (&raw.auto_suspend, &raw.credits_per_hour, raw.size);
        let credits = self.credits(at, own);
        let by_role = credits.as_ref().map(|credits| self.by_role(at, raw, credits.as_ref()));
        let name = name?;
        let address =
            raw.address.clone().unwrap_or_else(|| format!("https://{name}.snowflakecomputing.com"));
        Some(Account {
            address,
            name,
            database: database?,
            user: user?,
            virtual_warehouse: raw.virtual_warehouse.clone(),
            by_role: by_role??,
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
            credits: credits?,
        })
    }

    /// What the virtual warehouse costs, if that is said.
    fn credits(
        &mut self,
        at: &str,
        (suspend, per_hour, size): (&Option<String>, &Option<String>, Option<file::Size>),
    ) -> Option<Option<Credits>> {
        let key = |key: &str| format!("{at}.{key}");
        let suspend = suspend.clone();
        let said = suspend.is_some();
        let suspend = self.duration(&key("auto_suspend"), suspend, Some(SUSPEND))?;
        let per_hour = match (per_hour, size) {
            (Some(text), _) => {
                let most = Decimal::from(1_000_000);
                let credits = Decimal::from_str_exact(text).ok();
                let credits = credits.filter(|credits| *credits > Decimal::ZERO);
                let credits = credits.filter(|credits| *credits <= most && credits.scale() <= 9);
                if credits.is_none() {
                    self.note(
                        &key("credits_per_hour"),
                        format!("\"{text}\" is not a number of credits"),
                        "write a number above 0 with at most 9 digits behind the point: \"1.35\"",
                    );
                }
                credits?
            }
            (None, Some(size)) => Decimal::from(size.credits_per_hour()),
            (None, None) => {
                if said {
                    self.note(
                        &key("auto_suspend"),
                        "what the virtual warehouse costs is missing",
                        "say its size: size = \"XS\"; or leave \"auto_suspend\" out",
                    );
                }
                return Some(None);
            }
        };
        Some(Some(Credits { per_hour, suspend }))
    }

    /// The virtual warehouses of roles.
    fn by_role(
        &mut self,
        at: &str,
        raw: &file::Warehouse,
        default: Option<&Credits>,
    ) -> Option<Vec<RoleWarehouse>> {
        let rules = &raw.virtual_warehouses;
        let mut costs: Vec<(&str, Option<Credits>)> = Vec::new();
        match &raw.virtual_warehouse {
            Some(name) if name.is_empty() => {
                let key = format!("{at}.virtual_warehouse");
                let hint = "name one, or leave the key out for the user's own";
                self.note(&key, format!("\"{key}\" is empty"), hint);
                return None;
            }
            Some(name) => costs.push((name, default.cloned())),
            None if rules.is_empty() => {}
            None => {
                self.note(
                    &format!("{at}.virtual_warehouses"),
                    format!("\"{at}.virtual_warehouse\" is missing"),
                    "name the one that runs the queries of all others",
                );
                return None;
            }
        }
        let mut found: Vec<RoleWarehouse> = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let at = format!("{at}.virtual_warehouses[{index}]");
            let key = |key: &str| format!("{at}.{key}");
            let role = self.word(&key("role"), &rule.role, "name a role of the policies");
            let name = self.word(&key("name"), &rule.name, "name the virtual warehouse");
            let own = (&rule.auto_suspend, &rule.credits_per_hour, rule.size);
            let credits = self.credits(&at, own);
            let (Some(role), Some(name), Some(credits)) = (role, name, credits) else { continue };
            if found.iter().any(|other| other.role == role) {
                self.note(
                    &key("role"),
                    format!("role \"{role}\" has a virtual warehouse already"),
                    "leave it out: the first one counts",
                );
            }
            if credits.is_some() != default.is_some() {
                self.note(
                    &key("name"),
                    "what a virtual warehouse costs is said of some only",
                    "say the size of each, or of none",
                );
            }
            let other = costs.iter().find(|(other, _)| same_warehouse(other, &name));
            if other.is_some_and(|(_, other)| *other != credits) {
                self.note(
                    &key("name"),
                    format!("virtual warehouse \"{name}\" is said to cost something else as well"),
                    "say the same size and \"auto_suspend\" wherever it is named",
                );
            }
            costs.push((rule.name.as_deref().unwrap_or_default(), credits.clone()));
            found.push(RoleWarehouse { role, name, credits });
        }
        (found.len() == rules.len()).then_some(found)
    }

    fn server(&mut self, at: &str, raw: &file::Warehouse) -> Option<Server> {
        let key = |key: &str| format!("{at}.{key}");
        let hint = "name the server: host = \"127.0.0.1\"";
        let host = self.word(&key("host"), &raw.host, hint);
        let database = self.word(&key("database"), &raw.database, "name the database");
        let user = self.word(&key("user"), &raw.user, "name the user to connect as");
        self.schemas(at, raw);
        let password = match (&raw.password_file, &raw.password_env) {
            (Some(_), Some(_)) => {
                self.note(
                    &key("password_env"),
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
            pooled: raw.pooled,
        })
    }
}

/// How the table of a key is written in the file.
fn table(at: &str) -> String {
    at.split_once('[').map_or_else(|| at.to_owned(), |(name, _)| format!("[{name}]"))
}

/// The keys of the embedded engine alone, and whether they are set.
fn of_embedded(raw: &file::Warehouse) -> [(&'static str, bool); 4] {
    [
        ("data", raw.data.is_some()),
        ("memory_limit", raw.memory_limit.is_some()),
        ("target_partitions", raw.target_partitions.is_some()),
        ("temp", raw.temp.is_some()),
    ]
}

/// The keys of Snowflake alone, and whether they are set.
fn of_snowflake(raw: &file::Warehouse) -> [(&'static str, bool); 13] {
    [
        ("account", raw.account.is_some()),
        ("address", raw.address.is_some()),
        ("virtual_warehouse", raw.virtual_warehouse.is_some()),
        ("virtual_warehouses", !raw.virtual_warehouses.is_empty()),
        ("role", raw.role.is_some()),
        ("authenticator", raw.authenticator.is_some()),
        ("secret_file", raw.secret_file.is_some()),
        ("secret_env", raw.secret_env.is_some()),
        ("secret_command", raw.secret_command.is_some()),
        ("size", raw.size.is_some()),
        ("credits_per_hour", raw.credits_per_hour.is_some()),
        ("auto_suspend", raw.auto_suspend.is_some()),
        ("attribution", raw.attribution.is_some()),
    ]
}
