//! From the raw shape to the configuration: what must be there, and what fits together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tollgate_catalog::TableName;

use super::read::{Lines, Problem};
use super::{
    Cache, Certificate, Config, Flight, ForeignKeyDeclaration, MaskKey, Pg, TableDeclaration,
    TlsMode, file, values,
};

/// Checks values and notes what is wrong with them.
pub(super) struct Checker<'a> {
    pub(super) base: &'a Path,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Checker<'a> {
    /// A checker that resolves paths against `base`.
    pub(super) fn new(base: &'a Path, problems: &'a mut Vec<Problem>) -> Self {
        Self { base, problems }
    }

    /// The configuration, unless something it can't do without is missing.
    pub(super) fn config(&mut self, raw: file::File, file: String, lines: Lines) -> Option<Config> {
        // every part is checked before `?` gives up on any of them
        let database = raw.database.unwrap_or_else(|| "tollgate".to_owned());
        if database.is_empty() {
            self.note(
                "database",
                "the database name is empty",
                "leave the key out for \"tollgate\"",
            );
        }
        let drain = self.duration("drain", raw.drain, Some(Duration::from_secs(10)));
        let pg = self.pg(raw.pg);
        let flight = raw.flight.map(|flight| self.flight(flight, pg.as_ref()));
        let admin = raw.admin.map(|admin| {
            self.address("admin.listen", admin.listen, SocketAddr::from(([127, 0, 0, 1], 6434)))
        });
        if let (Some(pg), Some(Some(admin))) = (&pg, &admin)
            && is_same(pg.listen, *admin)
        {
            self.note(
                "admin.listen",
                "\"admin.listen\" is the same as \"pg.listen\"",
                "use two ports",
            );
        }
        if let (Some(Some(flight)), Some(pg)) = (&flight, &pg) {
            let admin = admin.flatten();
            let same = |other| is_same(flight.listen, other);
            if same(pg.listen) || admin.is_some_and(same) {
                self.note(
                    "flight.listen",
                    "\"flight.listen\" is the same as another front end's",
                    "use a port for each",
                );
            }
        }
        let users = self.path(
            "users.file",
            raw.users.file,
            "name the file of users: file = \"users.toml\" under [users]",
        );
        let tokens = raw.tokens.map(|tokens| self.tokens(tokens));
        let tls = pg.as_ref().is_none_or(|pg| pg.certificate.is_some());
        let clients = raw.client_certificates.map(|clients| self.clients(clients, tls));
        let policies = self.path(
            "policies.folder",
            raw.policies.folder,
            "name the folder of policies: folder = \"policies\" under [policies]",
        );
        let watch =
            self.duration("policies.watch", raw.policies.watch, Some(Duration::from_secs(2)));
        let warehouses = self.warehouses(raw.warehouse, raw.warehouses);
        let cache = Cache {
            plans: self.size("cache.plans", raw.cache.plans.as_deref(), 64 << 20),
            results: self.size("cache.results", raw.cache.results.as_deref(), 256 << 20),
        };
        let tables = self.tables(raw.tables);
        let ledger = self.ledger(raw.ledger);
        self.corrected(warehouses.as_deref(), ledger.as_ref());
        let audit = raw.audit.file.filter(|file| file != "stdout").map(|file| self.base.join(file));
        let traces = raw.traces.and_then(|traces| self.traces(traces));
        let mask_key = self.mask_key(raw.secrets);
        Some(Config {
            database,
            drain: drain?,
            pg: pg?,
            flight: match flight {
                Some(flight) => Some(flight?),
                None => None,
            },
            admin: match admin {
                Some(admin) => Some(admin?),
                None => None,
            },
            users: users?,
            tokens: match tokens {
                Some(tokens) => Some(tokens?),
                None => None,
            },
            clients: match clients {
                Some(clients) => Some(clients?),
                None => None,
            },
            policies: policies?,
            policy_readers: raw.policies.readers.into_iter().collect(),
            watch: watch.map(|every| (!every.is_zero()).then_some(every))?,
            warehouses: warehouses?,
            cache,
            tables,
            ledger: ledger?,
            audit,
            traces,
            mask_key,
            file,
            lines,
        })
    }

    fn pg(&mut self, raw: file::Pg) -> Option<Pg> {
        let listen =
            self.address("pg.listen", raw.listen, SocketAddr::from(([127, 0, 0, 1], 6432)));
        let tls = raw.tls.unwrap_or(TlsMode::Required);
        let certificate = match (raw.cert, raw.key) {
            (Some(cert), Some(key)) => {
                Some(Certificate { cert: self.base.join(cert), key: self.base.join(key) })
            }
            (Some(_), None) => {
                self.note(
                    "pg.cert",
                    "\"pg.cert\" is given without \"pg.key\"",
                    "name the private key's file too",
                );
                None
            }
            (None, Some(_)) => {
                self.note(
                    "pg.key",
                    "\"pg.key\" is given without \"pg.cert\"",
                    "name the certificate's file too",
                );
                None
            }
            (None, None) => {
                self.absent_certificate(tls, listen);
                None
            }
        };
        let max_connections = self.positive("pg.max_connections", raw.max_connections, 200);
        let authentication_timeout = self.duration(
            "pg.authentication_timeout",
            raw.authentication_timeout,
            Some(Duration::from_secs(10)),
        );
        let statement_timeout = match raw.statement_timeout {
            Some(text) => Some(self.duration("pg.statement_timeout", Some(text), None)?),
            None => None,
        };
        Some(Pg {
            listen: listen?,
            tls,
            certificate,
            max_connections,
            authentication_timeout: authentication_timeout?,
            statement_timeout,
        })
    }

    fn flight(&mut self, raw: file::Flight, pg: Option<&Pg>) -> Option<Flight> {
        let default = Flight::at(SocketAddr::from(([127, 0, 0, 1], 6433)));
        let listen = self.address("flight.listen", raw.listen, default.listen);
        let max_connections = self.positive("flight.max_connections", raw.max_connections, 200);
        let token_lifetime = self.duration(
            "flight.token_lifetime",
            raw.token_lifetime,
            Some(default.token_lifetime),
        );
        let ticket_lifetime = self.duration(
            "flight.ticket_lifetime",
            raw.ticket_lifetime,
            Some(default.ticket_lifetime),
        );
        if pg.is_some_and(|pg| pg.certificate.is_none())
            && listen.is_some_and(|listen| !listen.ip().is_loopback())
        {
            self.note(
                "flight.listen",
                "passwords, queries and results would cross the network without TLS",
                "set \"cert\" and \"key\" under [pg], or listen at 127.0.0.1",
            );
        }
        Some(Flight {
            listen: listen?,
            max_connections,
            token_lifetime: token_lifetime?,
            ticket_lifetime: ticket_lifetime?,
            memory: self.size("flight.memory", raw.memory.as_deref(), default.memory),
            key_file: raw.key_file.map(|file| self.base.join(file)),
        })
    }

    fn absent_certificate(&mut self, tls: TlsMode, listen: Option<SocketAddr>) {
        match tls {
            TlsMode::Required => self.note(
                "pg",
                "TLS is required, but there is no certificate",
                "set \"cert\" and \"key\" under [pg], or tls = \"optional\" on a loopback address",
            ),
            TlsMode::Optional => {
                if listen.is_some_and(|listen| !listen.ip().is_loopback()) {
                    self.note(
                        "pg.listen",
                        "queries and results would cross the network without TLS",
                        "set \"cert\" and \"key\" under [pg], or listen at 127.0.0.1",
                    );
                }
            }
        }
    }

    fn tables(&mut self, raw: Vec<file::Table>) -> Vec<TableDeclaration> {
        let mut tables: Vec<TableDeclaration> = Vec::new();
        for (index, table) in raw.into_iter().enumerate() {
            let key = format!("tables[{index}]");
            let Some(name) = self.table_name(&format!("{key}.name"), table.name) else { continue };
            if tables.iter().any(|other| other.name == name) {
                self.note(
                    &format!("{key}.name"),
                    format!("table \"{name}\" is declared twice"),
                    "merge the two [[tables]] entries",
                );
            }
            let mut foreign_keys = Vec::new();
            for (number, foreign) in table.foreign_keys.into_iter().enumerate() {
                foreign_keys
                    .extend(self.foreign_key(&format!("{key}.foreign_keys[{number}]"), foreign));
            }
            let columns = table.columns.into_iter();
            tables.push(TableDeclaration {
                cache_for: self.duration(&format!("{key}.cache_for"), table.cache_for, None),
                name,
                comment: table.comment,
                primary_key: table.primary_key,
                foreign_keys,
                columns: columns.filter_map(|(name, c)| Some((name, c.comment?))).collect(),
            });
        }
        tables
    }

    fn foreign_key(&mut self, key: &str, raw: file::ForeignKey) -> Option<ForeignKeyDeclaration> {
        let references = self.table_name(&format!("{key}.references"), raw.references)?;
        let referenced_columns = match raw.referenced_columns.is_empty() {
            true => raw.columns.clone(),
            false => raw.referenced_columns,
        };
        if raw.columns.is_empty() || raw.columns.len() != referenced_columns.len() {
            self.note(
                &format!("{key}.columns"),
                "the two sides of the foreign key don't have the same number of columns",
                "list as many \"columns\" as \"referenced_columns\", at least one",
            );
        }
        Some(ForeignKeyDeclaration { columns: raw.columns, references, referenced_columns })
    }

    fn mask_key(&mut self, raw: file::Secrets) -> Option<MaskKey> {
        match (raw.mask_key_file, raw.mask_key_env) {
            (Some(_), Some(_)) => {
                self.note(
                    "secrets",
                    "both \"mask_key_file\" and \"mask_key_env\" are given",
                    "keep one of them",
                );
                None
            }
            (Some(file), None) => Some(MaskKey::File(self.base.join(file))),
            (None, Some(variable)) => Some(MaskKey::Environment(variable)),
            (None, None) => None,
        }
    }

    fn address(
        &mut self,
        key: &str,
        text: Option<String>,
        default: SocketAddr,
    ) -> Option<SocketAddr> {
        let Some(text) = text else { return Some(default) };
        let address = text.parse().ok();
        if address.is_none() {
            self.note(
                key,
                format!("\"{text}\" is not an address and port"),
                "write an IP address and a port: \"127.0.0.1:6432\", \"[::1]:6432\"",
            );
        }
        address
    }

    pub(super) fn duration(
        &mut self,
        key: &str,
        text: Option<String>,
        default: Option<Duration>,
    ) -> Option<Duration> {
        let Some(text) = text else { return default };
        let duration = values::duration(&text);
        if duration.is_none() {
            self.note(
                key,
                format!("\"{text}\" is not a duration"),
                "write a number and a unit: \"500ms\", \"30s\", \"5min\", \"1h\", \"400 days\"",
            );
        }
        duration
    }

    fn size(&mut self, key: &str, text: Option<&str>, default: u64) -> u64 {
        let Some(text) = text else { return default };
        values::size(text).unwrap_or_else(|| {
            self.not_a_size(key, text);
            default
        })
    }

    pub(super) fn not_a_size(&mut self, key: &str, text: &str) {
        let hint = "write a number and a unit: \"512 MiB\", \"4 GB\"";
        self.note(key, format!("\"{text}\" is not a size"), hint);
    }

    pub(super) fn path(&mut self, key: &str, path: Option<String>, hint: &str) -> Option<PathBuf> {
        let path = path.filter(|path| !path.is_empty()).map(|path| self.base.join(path));
        if path.is_none() {
            self.note(key, format!("\"{key}\" is missing"), hint);
        }
        path
    }

    fn table_name(&mut self, key: &str, text: Option<String>) -> Option<TableName> {
        let name = text.as_deref().and_then(values::table_name);
        if name.is_none() {
            let message = match text {
                Some(text) => format!("\"{text}\" is not the name of a table"),
                None => "the name of a table is missing".to_owned(),
            };
            self.note(key, message, "write schema and table: \"crm.customers\"");
        }
        name
    }

    pub(super) fn positive(&mut self, key: &str, value: Option<u32>, default: usize) -> usize {
        match value {
            Some(0) => {
                self.note(key, format!("\"{key}\" is 0"), "write a number from 1");
                default
            }
            Some(value) => usize::try_from(value).unwrap_or(usize::MAX),
            None => default,
        }
    }

    pub(super) fn note(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(key, message, hint));
    }
}

/// Whether two front ends couldn't both listen. With the port 0 the system gives each its own.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one == other && one.port() != 0
}
