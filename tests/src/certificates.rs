//! Client certificates, over both protocols: who shows a good one that names a user needs no password, and
//! is nobody else.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use arrow_flight::HandshakeRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::string::TeletexString;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use tokio::process::Command;
use tollgate_identity::UserStore;
use tollgate_proxy::serve::Server;
use tonic::{Code, Status};

use crate::flight_sessions::options_hold;
use crate::harness::client::Client;
use crate::harness::flight::Flight;
use crate::harness::gateway::{DATABASE, PASSWORD, tenant, verifier};
use crate::harness::psql::Psql;
use crate::harness::served::{self, Site};
use crate::harness::{self, python};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str) -> Authority {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

/// Writes `<file>.pem` and `<file>-key.pem`, signed by an authority.
fn write(folder: &Path, file: &str, by: &Authority, change: impl FnOnce(&mut CertificateParams)) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    std::fs::write(folder.join(format!("{file}.pem")), certificate.pem()).unwrap();
    let path = folder.join(format!("{file}-key.pem"));
    std::fs::write(&path, key.serialize_pem()).unwrap();
    // libpq wants it so.
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, private).unwrap();
}

fn named(name: &str) -> impl FnOnce(&mut CertificateParams) {
    move |params: &mut CertificateParams| params.distinguished_name.push(DnType::CommonName, name)
}

/// A list of what an authority has revoked.
fn revoked(by: &Authority, serials: &[u64]) -> String {
    let revoked = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2200, 1, 1),
        crl_number: SerialNumber::from(serials.len() as u64 + 1),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(by).unwrap().pem().unwrap()
}

/// A gateway with TLS that believes an authority.
struct Gate {
    site: Site,
    server: Server,
    authority: Authority,
    intermediate: Authority,
}

impl Gate {
    async fn start(name: &str, keys: &[&str]) -> Gate {
        let folder = harness::world().await.postgres.scratch(name);
        let authority = authority("clients");
        let key = KeyPair::generate().unwrap();
        let intermediate = authority_params("a part of the clients");
        let intermediate = CertifiedIssuer::signed_by(intermediate, key, &authority).unwrap();
        std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
        write(&folder, "server", &authority, |params| {
            *params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        });
        write_clients(&folder, &authority, &intermediate);
        let always = [
            "pg.cert = \"server.pem\"",
            "pg.key = \"server-key.pem\"",
            "flight.listen = \"127.0.0.1:0\"",
            "policies.watch = \"0s\"",
            "client_certificates.ca = \"ca.pem\"",
            "client_certificates.crl = \"crl.pem\"",
        ];
        let site = Site::new(folder, &[&always[..], keys].concat());
        served::write(&site.data().join("items.parquet"), &served::rows(0..30), 10);
        write_lists(&site.folder, &authority, &[77], &intermediate);
        let server = site.serve().await;
        Gate { site, server, authority, intermediate }
    }

    fn revoke(&self, serials: &[u64]) {
        write_lists(&self.site.folder, &self.authority, serials, &self.intermediate);
        self.server.reload();
    }

    fn path(&self, file: &str) -> PathBuf {
        self.site.folder.join(file)
    }

    /// What psql connects with: the certificate of a file, if it is named.
    fn dsn(&self, user: &str, certificate: &str) -> String {
        let (cert, key) = match certificate {
            "" => (PathBuf::from("/nowhere"), PathBuf::from("/nowhere")),
            file => (self.path(&format!("{file}.pem")), self.path(&format!("{file}-key.pem"))),
        };
        format!(
            "host=127.0.0.1 port={} dbname={DATABASE} user={user} sslmode=verify-full \
             sslrootcert={} sslcert={} sslkey={}",
            self.site.address.port(),
            self.path("ca.pem").display(),
            cert.display(),
            key.display(),
        )
    }

    /// What psql says, with a certificate and a password, if they are named.
    async fn psql(&self, user: &str, certificate: &str, password: &str) -> String {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-A", "-t", "-w", "-c", "SELECT current_user, count(*) FROM shop.items"]);
        psql.arg(self.dsn(user, certificate)).stdin(Stdio::null()).kill_on_drop(true);
        psql.env_remove("PGPASSWORD");
        if !password.is_empty() {
            psql.env("PGPASSWORD", password);
        }
        let output = psql.output().await.expect("psql is missing: run `cargo xtask setup`");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap().trim().to_owned()
    }

    async fn check_psql(&self, cases: &[(&str, &str, &str, &str)]) {
        for (user, certificate, password, expected) in cases {
            let answer = self.psql(user, certificate, password).await;
            let fits = match *expected {
                // In which words is the library's affair, and whether the alert outruns the reset.
                "TLS" => {
                    !answer.contains('|')
                        && !answer.contains("password")
                        && ["SSL", "closed the connection", "reset"]
                            .iter()
                            .any(|word| answer.contains(word))
                }
                expected => answer.contains(expected),
            };
            assert!(fits, "{user} {certificate} {password}: {answer}");
        }
    }

    /// What the Flight clients in Python say: each certificate, and what is expected of it.
    async fn check_flight(&self, cases: &[(&str, &str)]) {
        let uri = format!("grpc+tls://127.0.0.1:{}", self.server.flight().unwrap().port());
        let folder = self.site.folder.to_str().unwrap().to_owned();
        let mut arguments = vec![uri, folder, PASSWORD.to_owned()];
        arguments.extend(cases.iter().map(|(file, expected)| format!("{file}={expected}")));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = python::run("check_certificates.py", &arguments, "").await;
        assert!(
            output.status.success() && output.stdout.ends_with(b"ok\n"),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// A Flight client of arrow-rs, on one connection with the certificate of a file, if it is named.
    async fn flight(&self, certificate: &str) -> Flight {
        let own = (!certificate.is_empty()).then(|| {
            let pem = self.path(&format!("{certificate}.pem"));
            (pem, self.path(&format!("{certificate}-key.pem")))
        });
        Flight::over_tls(self.server.flight().unwrap(), &self.path("ca.pem"), own).await
    }
}

/// Certificates of every kind, good and bad.
fn write_clients(folder: &Path, authority: &Authority, intermediate: &Authority) {
    for user in ["ana", "root", "nobody"] {
        write(folder, user, authority, named(user));
    }
    write(folder, "serial", authority, |params| {
        params.serial_number = Some(SerialNumber::from(78));
        named("ana")(params);
    });
    write(folder, "chain", intermediate, named("ana"));
    let chain = std::fs::read_to_string(folder.join("chain.pem")).unwrap() + &intermediate.pem();
    std::fs::write(folder.join("chain.pem"), chain).unwrap();

    // Good, but whom do they name?
    write(folder, "two", authority, |params| {
        named("ana")(params);
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "root");
    });
    write(folder, "twice", authority, |params| {
        named("ana")(params);
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "ana");
    });
    write(folder, "nul", authority, named("ana\0"));
    write(folder, "empty", authority, named(""));
    write(folder, "space", authority, named("ana "));
    write(folder, "capital", authority, named("Ana"));
    write(folder, "teletex", authority, |params| {
        let name = DnValue::TeletexString(TeletexString::try_from("ana").unwrap());
        params.distinguished_name.push(DnType::CommonName, name);
    });
    write(folder, "none", authority, |params| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "ana");
    });

    // No good.
    write(folder, "revoked", authority, |params| {
        params.serial_number = Some(SerialNumber::from(77));
        named("ana")(params);
    });
    write(folder, "expired", authority, |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        named("ana")(params);
    });
    write(folder, "early", authority, |params| {
        params.not_before = date_time_ymd(2200, 1, 1);
        params.not_after = date_time_ymd(2201, 1, 1);
        named("ana")(params);
    });
    write(folder, "of_a_server", authority, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        named("ana")(params);
    });
    write(folder, "of_nothing", authority, |params| {
        params.extended_key_usages = Vec::new();
        named("ana")(params);
    });
    write(folder, "of_anything", authority, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
        named("ana")(params);
    });
    write(folder, "foreign", &self::authority("clients"), named("ana"));
    write(folder, "orphan", intermediate, named("ana"));

    for (file, emails) in [("mail", &["a@x.org"][..]), ("mails", &["a@x.org", "root@x.org"])] {
        write(folder, file, authority, |params| {
            let names = emails.iter().map(|name| SanType::Rfc822Name((*name).try_into().unwrap()));
            params.subject_alt_names = names.collect();
            named("root")(params);
        });
    }
}

fn write_lists(folder: &Path, authority: &Authority, serials: &[u64], intermediate: &Authority) {
    let lists = revoked(authority, serials) + &revoked(intermediate, &[]);
    std::fs::write(folder.join("crl.pem"), lists).unwrap();
}

const NOBODY: [&str; 9] =
    ["nobody", "two", "twice", "nul", "empty", "space", "capital", "teletex", "none"];
const NO_GOOD: [&str; 8] = [
    "revoked",
    "expired",
    "early",
    "of_a_server",
    "of_nothing",
    "of_anything",
    "foreign",
    "orphan",
];

const COUNT: &str = "SELECT count(*) FROM shop.items";

async fn count(flight: &mut Flight) -> Result<String, Status> {
    let rows = flight.statement(COUNT).await?;
    Ok(format!("{:?}", rows.values()[0][0]))
}

/// A call that isn't authenticated says so, and nothing else.
fn unauthenticated<T>(answer: Result<T, Status>) {
    let Err(status) = answer else { panic!("it was answered") };
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().starts_with("the call is not authenticated"), "{status:?}");
}

#[test]
fn a_certificate_that_names_the_user_replaces_the_password() {
    harness::run(async {
        let gate = Gate::start("certificates", &[]).await;
        let other = "certificate authentication failed for user \"root\"";
        gate.check_psql(&[
            ("ana", "ana", "", "ana|20"),
            ("root", "root", "", "root|30"),
            ("ana", "chain", "", "ana|20"),
            // Who shows a user's certificate is that user, whatever else it knows.
            ("root", "ana", "", other),
            ("root", "ana", PASSWORD, other),
            ("ana", "", PASSWORD, "ana|20"),
            ("ana", "", "", "no password supplied"),
        ])
        .await;
        for certificate in NOBODY {
            gate.check_psql(&[
                ("ana", certificate, "", "no password supplied"),
                ("root", certificate, "", "no password supplied"),
                ("ana", certificate, PASSWORD, "ana|20"),
            ])
            .await;
        }
        for certificate in NO_GOOD {
            gate.check_psql(&[
                ("ana", certificate, "", "TLS"),
                ("ana", certificate, PASSWORD, "TLS"),
            ])
            .await;
        }
        gate.server.stop().await;
    });
}

#[test]
fn adbc_and_pyarrow_come_with_certificates() {
    harness::run(async {
        let gate = Gate::start("certificates-adbc", &[]).await;
        let mut cases = vec![
            ("ana", "20"),
            ("root", "30"),
            ("chain", "20"),
            ("-ana", "20"),
            ("ana-ana", "20"),
            ("ana-root", "password authentication failed"),
            ("nobody-root", "30"),
            ("two-root", "30"),
        ];
        cases.extend(NOBODY.map(|file| (file, "not authenticated")));
        cases.extend(NO_GOOD.map(|file| (file, "TLS")));
        gate.check_flight(&cases).await;
        gate.server.stop().await;
    });
}

#[test]
fn a_connection_with_a_users_certificate_is_that_users() {
    harness::run(async {
        let gate = Gate::start("certificates-bound", &[]).await;
        let mut ana = gate.flight("ana").await;
        assert_eq!(count(&mut ana).await.unwrap(), "Number(20.0)");
        let handle = ana.prepare(COUNT).await.unwrap().handle;
        ana.redeem(&handle).await.unwrap();

        // Another one's handle, and what is no proof without the certificate.
        let mut root = gate.flight("root").await;
        assert_eq!(count(&mut root).await.unwrap(), "Number(30.0)");
        let refused = root.redeem(&handle).await.unwrap_err();
        assert!(refused.message().starts_with("the handle is not valid"), "{refused:?}");
        let mut bare = gate.flight("").await;
        unauthenticated(bare.redeem(&handle).await);

        // Another one's token, and one's own.
        let tokens = [gate.login("ana").await, gate.login("root").await];
        for (token, good) in tokens.iter().zip([true, false]) {
            ana.token.clone_from(token);
            match good {
                true => assert_eq!(count(&mut ana).await.unwrap(), "Number(20.0)"),
                false => unauthenticated(count(&mut ana).await),
            }
        }
        ana.token = "Bearer nonsense".to_owned();
        unauthenticated(count(&mut ana).await);
        ana.token = String::new();
        assert_eq!(count(&mut ana).await.unwrap(), "Number(20.0)");
        // A certificate that names nobody leaves it to the token.
        let mut nobody = gate.flight("two").await;
        unauthenticated(count(&mut nobody).await);
        nobody.token.clone_from(&tokens[1]);
        assert_eq!(count(&mut nobody).await.unwrap(), "Number(30.0)");
        gate.server.stop().await;
    });
}

impl Gate {
    /// A token for who has a password.
    async fn login(&self, user: &str) -> String {
        let mut flight = self.flight("").await;
        let basic = STANDARD.encode(format!("{user}:{PASSWORD}"));
        flight.token = format!("Basic {basic}");
        let message = futures::stream::iter([HandshakeRequest::default()]);
        let request = flight.request(message);
        let response = flight.inner.handshake(request).await.unwrap();
        response.metadata().get("authorization").unwrap().to_str().unwrap().to_owned()
    }
}

/// Who comes with a certificate keeps options as others do; they are worth nothing without it.
#[test]
fn options_go_with_a_certificate() {
    harness::run(async {
        let gate = Gate::start("certificates-options", &[]).await;
        options_hold(gate.flight("ana").await, "shop", "items", true).await;
        let mut ana = gate.flight("ana").await;
        let set = ana.session("SetSessionOptions", &[("schema", "shop")]).await.unwrap();
        let (token, cookie) = (set.token.unwrap(), set.cookie.unwrap());
        let cookie = cookie.split(';').next().unwrap();
        for certificate in ["root", "two", ""] {
            let mut other = gate.flight(certificate).await;
            other.token.clone_from(&token);
            unauthenticated(count(&mut other).await);
        }
        let mut root = gate.flight("root").await;
        cookie.clone_into(&mut root.cookie);
        let refused = count(&mut root).await.unwrap_err();
        assert!(refused.message().starts_with("the session is not valid"), "{refused:?}");
        let mut again = gate.flight("ana").await;
        again.token = token;
        assert_eq!(again.statement("SELECT id FROM items").await.unwrap().count(), 20);
        // The certificate is judged at each call, whatever goes with it.
        let mut serial = gate.flight("serial").await;
        let set = serial.session("SetSessionOptions", &[("schema", "shop")]).await.unwrap();
        serial.token = set.token.unwrap();
        assert_eq!(serial.statement("SELECT id FROM items").await.unwrap().count(), 20);
        gate.revoke(&[77, 78]);
        unauthenticated(count(&mut serial).await);
        gate.server.stop().await;
    });
}

#[test]
fn nobody_gets_in_without_a_required_certificate() {
    harness::run(async {
        let keys = ["client_certificates.required = true"];
        let gate = Gate::start("certificates-required", &keys).await;
        gate.check_psql(&[
            ("ana", "ana", "", "ana|20"),
            ("ana", "nobody", PASSWORD, "ana|20"),
            ("ana", "nobody", "", "no password supplied"),
            ("ana", "", PASSWORD, "TLS"),
            ("ana", "revoked", PASSWORD, "TLS"),
        ])
        .await;
        // Not in plain text either, which this server serves.
        let dsn = format!(
            "host=127.0.0.1 port={} user=ana password='{PASSWORD}' dbname={DATABASE} sslmode=disable",
            gate.site.address.port()
        );
        let error = Client::connect(&dsn).await.err().unwrap();
        assert!(format!("{error:?}").contains("certificate authentication failed"), "{error:?}");
        gate.check_flight(&[("ana", "20"), ("nobody-ana", "20"), ("-ana", "TLS")]).await;
        gate.server.stop().await;
    });
}

#[test]
fn names_are_mapped_as_the_configuration_says() {
    harness::run(async {
        let keys = [
            "client_certificates.name = \"email\"",
            "client_certificates.users = { \"a@x.org\" = \"ana\", \"b@x.org\" = \"nobody\" }",
        ];
        let gate = Gate::start("certificates-names", &keys).await;
        gate.check_psql(&[
            ("ana", "mail", "", "ana|20"),
            // Its common name is root's, but that isn't what counts.
            ("root", "mail", "", "certificate authentication failed for user \"root\""),
            // Two addresses name nobody, and no address neither.
            ("ana", "mails", "", "no password supplied"),
            ("root", "mails", "", "no password supplied"),
            ("root", "root", "", "no password supplied"),
            ("ana", "ana", "", "no password supplied"),
        ])
        .await;
        gate.check_flight(&[
            ("mail", "20"),
            ("mails", "not authenticated"),
            ("ana", "not authenticated"),
        ])
        .await;
        gate.server.stop().await;
    });
}

#[test]
fn what_is_withdrawn_ends_at_a_reload() {
    harness::run(async {
        let gate = Gate::start("certificates-reload", &[]).await;
        let mut open = gate.flight("serial").await;
        assert_eq!(count(&mut open).await.unwrap(), "Number(20.0)");
        let mut other = gate.flight("ana").await;
        let mut session = Psql::start(&gate.dsn("ana", "serial"), "").await;
        let mut another = Psql::start(&gate.dsn("ana", "ana"), "").await;

        // A newer list that doesn't hold it changes nothing; one that does ends what it opened.
        gate.revoke(&[77, 1]);
        assert_eq!(session.ask("'here'").await, "here");
        assert_eq!(count(&mut open).await.unwrap(), "Number(20.0)");
        gate.revoke(&[77, 78]);
        assert_eq!(session.ask("'still here'").await, "");
        unauthenticated(count(&mut open).await);
        gate.check_psql(&[("ana", "serial", "", "TLS")]).await;
        // A list that can't be read is none: the old state stays in force.
        std::fs::write(gate.path("crl.pem"), "nonsense").unwrap();
        gate.server.reload();
        gate.check_psql(&[("ana", "serial", "", "TLS"), ("ana", "ana", "", "ana|20")]).await;
        assert_eq!(another.ask("'here'").await, "here");
        gate.revoke(&[77]);

        // Another authority comes; then the first one goes.
        let second = authority("other clients");
        write(&gate.site.folder, "second", &second, named("ana"));
        gate.check_psql(&[("ana", "second", "", "TLS")]).await;
        let first = gate.authority.pem();
        let lists = revoked(&gate.authority, &[]) + &revoked(&second, &[]);
        std::fs::write(gate.path("crl.pem"), lists).unwrap();
        std::fs::write(gate.path("clients.pem"), first + &second.pem()).unwrap();
        let config = std::fs::read_to_string(gate.site.config()).unwrap();
        let config = config.replace("\"ca.pem\"", "\"clients.pem\"");
        std::fs::write(gate.site.config(), config).unwrap();
        gate.server.reload();
        gate.check_psql(&[("ana", "second", "", "ana|20"), ("ana", "ana", "", "ana|20")]).await;
        std::fs::write(gate.path("clients.pem"), second.pem()).unwrap();
        gate.server.reload();
        unauthenticated(count(&mut other).await);
        assert_eq!(another.ask("'still here'").await, "");
        gate.check_psql(&[("ana", "second", "", "ana|20"), ("ana", "ana", "", "TLS")]).await;

        // So does the user.
        let mut last = gate.flight("second").await;
        assert_eq!(count(&mut last).await.unwrap(), "Number(20.0)");
        let users = UserStore::parse("").unwrap().with_user("bob", verifier(), tenant("globex"));
        std::fs::write(gate.path("users.toml"), users.to_toml()).unwrap();
        gate.server.reload();
        unauthenticated(count(&mut last).await);
        gate.check_psql(&[("ana", "second", "", "no password supplied")]).await;
        gate.server.stop().await;
    });
}

#[test]
fn the_files_of_authorities_are_checked_like_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("empty.pem"), "").unwrap();
    write(path, "server", &authority("servers"), named("server"));
    let config = |keys: &str| {
        let text = format!(
            "pg.cert = \"server.pem\"\npg.key = \"server-key.pem\"\nusers.file = \"u\"\n\
             policies.folder = \"p\"\nwarehouse.data = \"d\"\n{keys}"
        );
        std::fs::write(path.join("tollgate.toml"), text).unwrap();
        tollgate_proxy::load::load(&path.join("tollgate.toml")).err().unwrap().to_string()
    };
    for (keys, expected) in [
        ("client_certificates.ca = \"absent.pem\"", "could not read \""),
        ("client_certificates.ca = \"empty.pem\"", "there is no certificate of an authority"),
        ("client_certificates.ca = \"server-key.pem\"", "there is no certificate of an authority"),
        (
            "client_certificates.ca = \"server.pem\"\nclient_certificates.crl = \"empty.pem\"",
            "there is no list in it",
        ),
        ("client_certificates.required = true", "\"client_certificates.ca\" is missing"),
        ("client_certificates.name = \"upn\"", "unknown variant \"upn\""),
    ] {
        let errors = config(keys);
        assert!(errors.contains(expected), "{keys}: {errors}");
    }
}
