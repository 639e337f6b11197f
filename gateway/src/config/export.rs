//! Where what the ledger holds is sent.

use std::collections::BTreeSet;
use std::path::PathBuf;

use http::Uri;

use super::validate::Checker;
use super::{Secret, file};

/// A system elsewhere that gets what the ledger holds.
#[derive(Debug, Clone)]
pub struct Export {
    /// Its name: the ledger keeps under it how far it is.
    pub name: String,
    /// Where it is.
    pub to: Receiver,
    /// What it gets.
    pub events: Events,
    /// The certificates to trust; none: those of the system.
    pub tls_ca: Option<PathBuf>,
    /// Where the token is that is sent along; none: none is.
    pub token: Option<Secret>,
}

/// Where traces of statements are sent.
#[derive(Debug, Clone)]
pub struct Traces {
    /// Where the receiver is.
    pub to: Receiver,
    /// The certificates to trust; none: those of the system.
    pub tls_ca: Option<PathBuf>,
    /// Which part of the statements is traced.
    pub ratio: f64,
}

/// Where a receiver is, and what it understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Whether with TLS; without, it is on this machine.
    pub tls: bool,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// HTTP: the path and what is asked of it.
    pub path: String,
}

/// What a receiver gets of each query that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Events {
    /// Who asked what, and how it ended, as OCSF events.
    Ocsf,
    /// What it used and cost, as CloudEvents; over HTTP.
    Usage,
}

/// How a receiver is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Syslog messages over TCP.
    Syslog,
    /// Requests of HTTP.
    Http,
}

impl Checker<'_> {
    /// The exports of a ledger, if there is one.
    pub(super) fn exports(&mut self, raw: Vec<file::Export>, kept: bool) -> Vec<Export> {
        if !kept && !raw.is_empty() {
            let message = "there is no ledger that could be exported";
            self.note("ledger.export", message, "leave it out, or correct \"ledger.kind\"");
        }
        let mut names = BTreeSet::new();
        let mut exports = Vec::new();
        for (index, export) in raw.into_iter().enumerate() {
            let key = format!("ledger.export[{index}]");
            exports.extend(self.export(&key, export, &mut names));
        }
        exports
    }

    fn export(
        &mut self,
        key: &str,
        raw: file::Export,
        names: &mut BTreeSet<String>,
    ) -> Option<Export> {
        let name = raw.name.unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(plain) {
            let hint = "write letters, digits, \"-\", \"_\" and \".\"";
            self.note(&format!("{key}.name"), format!("\"{name}\" is not an export's name"), hint);
        } else if !names.insert(name.clone()) {
            let message = format!("two exports are called \"{name}\"");
            self.note(&format!("{key}.name"), message, "give each a name of its own");
        }
        let to = raw.to.unwrap_or_default();
        let to = receiver(&to).map_err(|message| {
            let hint = "write \"tls://host:6514\" for syslog, \"https://host/path\" for HTTP; on this \
                        machine also \"tcp://\" and \"http://\"";
            self.note(&format!("{key}.to"), message, hint);
        });
        let token = match (raw.token_file, raw.token_env) {
            (None, None) => None,
            (Some(file), None) => Some(Secret::File(self.base.join(file))),
            (None, Some(variable)) => Some(Secret::Environment(variable)),
            (Some(_), Some(_)) => {
                let message = "the token is in a file and in the environment";
                let hint = "keep one of \"token_file\" and \"token_env\"";
                self.note(&format!("{key}.token_env"), message, hint);
                None
            }
        };
        let to = to.ok()?;
        if to.protocol == Protocol::Syslog && token.is_some() {
            let message = "syslog has no place for a token";
            self.note(key, message, "leave it out, or export over HTTP");
        }
        let events = raw.events.unwrap_or(Events::Ocsf);
        if to.protocol == Protocol::Syslog && events == Events::Usage {
            let hint = "export it over HTTP: to = \"https://…\"";
            self.note(&format!("{key}.events"), "usage is not for syslog", hint);
        }
        if !to.tls && raw.tls_ca.is_some() {
            let message = "certificates are nothing to an export without TLS";
            let hint = "leave it out, or write \"tls://\" or \"https://\"";
            self.note(&format!("{key}.tls_ca"), message, hint);
        }
        let tls_ca = raw.tls_ca.map(|file| self.base.join(file));
        Some(Export { name, to, events, tls_ca, token })
    }
}

impl Checker<'_> {
    /// Where traces are sent.
    pub(super) fn traces(&mut self, raw: file::Traces) -> Option<Traces> {
        let ratio = raw.ratio.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&ratio) {
            self.note(
                "traces.ratio",
                format!("{ratio} is not a part"),
                "write a number from 0 to 1",
            );
        }
        let text = raw.to.unwrap_or_default();
        let to = receiver(&text).and_then(|to| match (to.protocol, to.path.as_str()) {
            (Protocol::Http, "" | "/") => Ok(to),
            (Protocol::Http | Protocol::Syslog, _) => {
                Err(format!("\"{text}\" is not the address of a receiver of traces"))
            }
        });
        let to = to.map_err(|message| {
            let hint = "write \"https://host:4317\", or \"http://127.0.0.1:4317\" on this machine";
            self.note("traces.to", message, hint);
        });
        Some(Traces { to: to.ok()?, tls_ca: raw.tls_ca.map(|file| self.base.join(file)), ratio })
    }
}

/// Reads where a receiver is.
fn receiver(text: &str) -> Result<Receiver, String> {
    let wrong = || format!("\"{text}\" is not the address of a receiver");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let (protocol, tls, port) = match uri.scheme_str() {
        Some("tcp") => (Protocol::Syslog, false, None),
        Some("tls") => (Protocol::Syslog, true, Some(6514)),
        Some("http") => (Protocol::Http, false, Some(80)),
        Some("https") => (Protocol::Http, true, Some(443)),
        Some(_) | None => return Err(wrong()),
    };
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    let authority = authority.ok_or_else(wrong)?;
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let named = authority.port();
    // What stands behind the colon must be a port.
    if named.is_none() && authority.host() != authority.as_str() {
        return Err(wrong());
    }
    let port = named.map(|port| port.as_u16()).or(port).filter(|port| *port > 0);
    let port = port.ok_or_else(wrong)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    if host.is_empty() || protocol == Protocol::Syslog && !matches!(path.as_str(), "" | "/") {
        return Err(wrong());
    }
    let here = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if !tls && !here {
        return Err("what is sent would cross the network without TLS".to_owned());
    }
    Ok(Receiver { protocol, tls, host, port, path })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]

    use super::{Protocol, receiver};

    #[test]
    fn receivers_elsewhere_are_reached_with_tls_only() {
        for (text, protocol, tls, host, port, path) in [
            ("tls://siem.example:6515", Protocol::Syslog, true, "siem.example", 6515, ""),
            ("tls://siem.example", Protocol::Syslog, true, "siem.example", 6514, ""),
            ("tcp://[::1]:601", Protocol::Syslog, false, "::1", 601, ""),
            (
                "https://log.example/v1?index=a",
                Protocol::Http,
                true,
                "log.example",
                443,
                "/v1?index=a",
            ),
            ("http://127.0.0.1:8088/in", Protocol::Http, false, "127.0.0.1", 8088, "/in"),
        ] {
            let found = receiver(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let given = (found.protocol, found.tls, found.host.as_str(), found.port);
            assert_eq!(given, (protocol, tls, host, port), "{text}");
            assert_eq!(
                found.path.trim_end_matches(|c: char| c == '/' && path.is_empty()),
                path,
                "{text}"
            );
        }
        for text in [
            "tcp://siem.example:601",
            "http://log.example/in",
            "http://localhost.example/in",
            "https://user:secret@log.example/in",
            "tls://siem.example:6514/path",
            "tcp://127.0.0.1",
            "tls://siem.example:0",
            "tls://siem.example:port",
            "udp://127.0.0.1:514",
            "siem.example:6514",
            "",
        ] {
            assert!(receiver(text).is_err(), "{text}");
        }
    }
}
