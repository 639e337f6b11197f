//! The exchange from both sides, honest and not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ring::{digest, hmac, pbkdf2};

use crate::*;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const SALT: &[u8] = b"0123456789abcdef";

fn store() -> Arc<UserStore> {
    let attributes =
        BTreeMap::from([("regions".to_owned(), vec!["eu".to_owned(), "us".to_owned()])]);
    let verifier = Verifier::from_password("pencil", 4096, SALT).unwrap();
    Arc::new(UserStore::parse("").unwrap().with_user("ana", verifier, attributes))
}

fn exchange(user: &str, binding: ChannelBinding) -> ScramExchange {
    ScramExchange::new(store(), user, HOME, binding)
}

fn tls() -> ChannelBinding {
    ChannelBinding::TlsServerEndPoint(vec![7; 32])
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

/// The answer of a client that sees a certificate with the hash `seen`.
fn client_final(
    password: &str,
    header: &str,
    seen: &[u8],
    bare: &str,
    server_first: &[u8],
) -> Vec<u8> {
    let server_first = str::from_utf8(server_first).unwrap();
    let parts: Vec<_> = server_first.split(',').map(|part| &part[2..]).collect();
    let (salt, iterations) = (BASE64.decode(parts[1]).unwrap(), parts[2].parse().unwrap());
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);
    let binding = BASE64.encode([header.as_bytes(), seen].concat());
    let without_proof = format!("c={binding},r={}", parts[0]);
    let client_key = mac(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let signature =
        mac(stored_key.as_ref(), format!("{bare},{server_first},{without_proof}").as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
    format!("{without_proof},p={}", BASE64.encode(proof)).into_bytes()
}

fn log_in(
    exchange: ScramExchange,
    mechanism: &str,
    header: &str,
    seen: &[u8],
    password: &str,
) -> Result<Principal, AuthError> {
    let bare = "n=,r=clientnonce";
    let (challenge, reply) = exchange.first(mechanism, format!("{header}{bare}").as_bytes())?;
    let answer = client_final(password, header, seen, bare, &reply);
    challenge.finish(&answer).map(|(principal, _)| principal)
}

#[test]
fn rfc_7677_vector() {
    let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let verifier = Verifier::from_password("pencil", 4096, &salt).unwrap();
    // As PostgreSQL stores it.
    assert_eq!(
        verifier.to_string(),
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    );
    let store =
        Arc::new(UserStore::parse("").unwrap().with_user("user", verifier, BTreeMap::new()));
    let exchange = ScramExchange::new(store, "user", HOME, ChannelBinding::None);
    let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    let (challenge, reply) =
        exchange.first_with_nonce(SCRAM_SHA_256, first, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0").unwrap();
    assert_eq!(
        str::from_utf8(&reply).unwrap(),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let (principal, last) = challenge
        .finish(b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        .unwrap();
    assert_eq!(last, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert_eq!(principal.name(), "user");
}

#[test]
fn every_honest_way_in() {
    let hash = [7; 32];
    let ways: [(ChannelBinding, &str, &str, &[u8]); 4] = [
        (ChannelBinding::None, SCRAM_SHA_256, "n,,", &[]),
        (ChannelBinding::None, SCRAM_SHA_256, "y,,", &[]),
        (tls(), SCRAM_SHA_256, "n,,", &[]),
        (tls(), SCRAM_SHA_256_PLUS, "p=tls-server-end-point,,", &hash),
    ];
    for (binding, mechanism, header, seen) in ways {
        let ana = log_in(exchange("ana", binding), mechanism, header, seen, "pencil").unwrap();
        assert_eq!((ana.name(), ana.address()), ("ana", HOME));
        assert_eq!(ana.attributes()["regions"], ["eu", "us"]);
    }
}

#[test]
fn unknown_user_fails_as_a_wrong_password() {
    let attempt = |user| {
        log_in(exchange(user, ChannelBinding::None), SCRAM_SHA_256, "n,,", &[], "wrong")
            .unwrap_err()
    };
    assert_eq!(attempt("ana"), AuthError::Failed);
    assert_eq!(attempt("bob").to_string().as_bytes(), attempt("ana").to_string().as_bytes());
    assert_eq!(attempt("bob").hint(), attempt("ana").hint());

    let store = store();
    let failures = [("ana", "wrong"), ("bob", "pencil"), ("ana", ""), ("bob", ""), ("", "pencil")];
    for (user, password) in failures {
        assert_eq!(store.verify_password(user, password, HOME).unwrap_err(), AuthError::Failed);
    }
    assert_eq!(
        store.verify_password("ana", &"x".repeat(2000), HOME).unwrap_err(),
        AuthError::Failed
    );
}

/// The salt and the iterations that a user is told.
fn told(store: &Arc<UserStore>, user: &str) -> String {
    let exchange = ScramExchange::new(Arc::clone(store), user, HOME, ChannelBinding::None);
    let (_, reply) = exchange.first_with_nonce(SCRAM_SHA_256, b"n,,n=,r=a", "b").unwrap();
    String::from_utf8(reply).unwrap()
}

#[test]
fn mock_salts_are_stable_distinct_and_of_usual_shape() {
    let store = store();
    assert_eq!(told(&store, "bob"), told(&store, "bob"));
    assert_ne!(told(&store, "bob"), told(&store, "eve"));
    assert_eq!(told(&store, "bob").len(), told(&store, "ana").len());
    assert!(told(&store, "bob").ends_with(",i=4096"));

    let costly = Verifier::from_password("pencil", 5000, &[SALT, SALT].concat()).unwrap();
    let only_costly =
        Arc::new(UserStore::parse("").unwrap().with_user("ana", costly, BTreeMap::new()));
    assert_eq!(told(&only_costly, "bob").len(), told(&only_costly, "ana").len());
    assert!(told(&only_costly, "bob").ends_with(",i=5000"));

    let same = Arc::new(store.reload(&store.to_toml()).unwrap());
    assert_eq!(told(&same, "bob"), told(&store, "bob"));
}

#[test]
fn mock_salts_outlive_a_restart() {
    let start = |file: &str| Arc::new(UserStore::parse(file).unwrap());
    let verifier = |salt: &[u8]| Verifier::from_password("pencil", 4096, salt).unwrap();
    let file = store().to_toml();
    assert!(file.starts_with("mock_key = "), "{file}");
    assert_eq!(told(&start(&file), "bob"), told(&start(&file), "bob"));
    let more = start(&file).append(&file, "eve", verifier(SALT), BTreeMap::new()).unwrap();
    assert_eq!(told(&start(&file), "bob"), told(&start(&more), "bob"));
    assert_ne!(told(&start(&more), "eve"), told(&start(&file), "eve"));
    // Another key, other salts.
    assert_ne!(told(&start(&store().to_toml()), "bob"), told(&start(&file), "bob"));

    // Without a key the verifiers give one, which stays when a user is added.
    let (_, bare) = file.split_once("\n\n").unwrap();
    assert_eq!(told(&start(bare), "bob"), told(&start(bare), "bob"));
    let more = start(bare).append(bare, "eve", verifier(SALT), BTreeMap::new()).unwrap();
    assert_eq!(told(&start(&more), "bob"), told(&start(bare), "bob"));
    let changed = start(bare).with_user("ana", verifier(b"another salt ...."), BTreeMap::new());
    let changed = changed.to_toml();
    let (_, changed) = changed.split_once("\n\n").unwrap();
    assert_ne!(told(&start(changed), "bob"), told(&start(bare), "bob"));
}

#[test]
fn channel_binding_is_enforced() {
    let check = |binding, mechanism, header, seen: &[u8], expected| {
        let error =
            log_in(exchange("ana", binding), mechanism, header, seen, "pencil").unwrap_err();
        assert_eq!(error, expected, "{mechanism} {header}");
    };
    let end_point = "p=tls-server-end-point,,";
    // Another certificate, a cut-off hash, none.
    check(tls(), SCRAM_SHA_256_PLUS, end_point, &[8; 32], AuthError::ChannelBinding);
    check(tls(), SCRAM_SHA_256_PLUS, end_point, &[7; 31], AuthError::ChannelBinding);
    check(tls(), SCRAM_SHA_256_PLUS, end_point, &[], AuthError::ChannelBinding);
    check(tls(), SCRAM_SHA_256_PLUS, "p=tls-unique,,", &[7; 32], AuthError::ChannelBinding);
    // The offer of PLUS was cut out.
    check(tls(), SCRAM_SHA_256, "y,,", &[], AuthError::ChannelBinding);
    check(
        ChannelBinding::None,
        SCRAM_SHA_256_PLUS,
        end_point,
        &[7; 32],
        AuthError::UnsupportedMechanism,
    );
    check(tls(), "SCRAM-SHA-1", "n,,", &[], AuthError::UnsupportedMechanism);
    let empty = ChannelBinding::TlsServerEndPoint(Vec::new());
    assert_eq!(exchange("ana", empty).mechanisms(), [SCRAM_SHA_256]);
    assert_eq!(exchange("ana", tls()).mechanisms(), [SCRAM_SHA_256_PLUS, SCRAM_SHA_256]);

    // A first message that was changed on its way: the client binds to another header than we saw.
    let (challenge, reply) =
        exchange("ana", ChannelBinding::None).first(SCRAM_SHA_256, b"n,,n=,r=a").unwrap();
    let answer = client_final("pencil", "y,,", &[], "n=,r=a", &reply);
    assert_eq!(challenge.finish(&answer).unwrap_err(), AuthError::ChannelBinding);
}

#[test]
fn malformed_first_messages() {
    let long = format!("n,,n=,r={}", "x".repeat(5000));
    let messages: &[&[u8]] = &[
        b"",
        b"n",
        b"n,",
        b"n,,",
        b"x,,n=,r=a",
        b"n,a=bob,n=,r=a",
        b"n,,r=a",
        b"n,,n=",
        b"n,,n=,r=",
        b"n,,n=,r=a b",
        b"n,,n=,r=\xff",
        b"n,,n=\0,r=a",
        b"n,,m=x,n=,r=a",
        b"n,,n=,r=a,m=x",
        b"n,,n=,r=a,xy",
        b"n,,n=,r=a,r=b",
        b"p=tls-server-end-point,,n=,r=a",
        "n,,n=,r=\u{e4}".as_bytes(),
        long.as_bytes(),
    ];
    for message in messages {
        let error = exchange("ana", tls()).first(SCRAM_SHA_256, message).unwrap_err();
        assert!(
            matches!(error, AuthError::Malformed(_)),
            "{error} for {}",
            String::from_utf8_lossy(message)
        );
    }
    for header in ["n,,", "y,,"] {
        let error = exchange("ana", tls())
            .first(SCRAM_SHA_256_PLUS, format!("{header}n=,r=a").as_bytes())
            .unwrap_err();
        assert!(matches!(error, AuthError::Malformed(_)));
    }
    // Whatever name the client gives, and extensions that it doesn't insist on.
    for message in [&b"n,,n=*,r=a"[..], b"n,,n=b=2Cob,r=a", b"n,,n=,r=a,x=1"] {
        assert!(exchange("ana", ChannelBinding::None).first(SCRAM_SHA_256, message).is_ok());
    }
}

#[test]
fn malformed_final_messages() {
    let check = |message: &str| {
        let (challenge, _) = exchange("ana", ChannelBinding::None)
            .first_with_nonce(SCRAM_SHA_256, b"n,,n=,r=a", "b")
            .unwrap();
        challenge.finish(message.as_bytes()).unwrap_err()
    };
    let proof = BASE64.encode([0; 32]);
    assert_eq!(check(&format!("c=biws,r=ab,p={proof}")), AuthError::Failed);
    assert_eq!(check(&format!("c=biws,r=ab,x=1,p={proof}")), AuthError::Failed);
    assert_eq!(check(&format!("c=,r=ab,p={proof}")), AuthError::ChannelBinding);
    for message in [
        String::new(),
        "c=biws,r=ab".into(),
        "c=biws,r=ab,p=".into(),
        "c=biws,r=ab,p=AAAA".into(),
        format!("c=biws,r=a,p={proof}"),
        format!("c=biws,r=abc,p={proof}"),
        format!("r=ab,c=biws,p={proof}"),
        format!("c=biws,r=ab,m=1,p={proof}"),
        format!("c=biws,r=ab,p={proof},p={proof}"),
        format!("c=biws,r=ab,p={proof},x=1"),
        format!("c=biws,r=ab,x={},p={proof}", "x".repeat(5000)),
    ] {
        assert!(matches!(check(&message), AuthError::Malformed(_)), "{message}");
    }
}

/// Random bytes, and honest messages with random bytes in them.
#[test]
fn noise_never_panics_and_never_gets_in() {
    let store = store();
    // xorshift64: the same noise every time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for round in 0..20_000 {
        let mut mutate = |honest: &[u8]| -> Vec<u8> {
            if random() % 3 == 0 {
                return (0..random() % 80).map(|_| random() as u8).collect();
            }
            let mut bytes = honest.to_vec();
            for _ in 0..=random() % 3 {
                let at = random() % bytes.len();
                bytes[at] =
                    if random() % 2 == 0 { b",=pnyrcm"[random() % 8] } else { random() as u8 };
            }
            bytes
        };
        let binding = if round % 2 == 0 { ChannelBinding::None } else { tls() };
        let exchange = || ScramExchange::new(Arc::clone(&store), "ana", HOME, binding.clone());
        let mechanism = exchange().mechanisms()[0];
        let first = if round % 2 == 0 {
            &b"n,,n=ana,r=abcdef"[..]
        } else {
            b"p=tls-server-end-point,,n=ana,r=abcdef"
        };
        if let Ok((challenge, reply)) = exchange().first(mechanism, &mutate(first)) {
            let nonce = str::from_utf8(&reply).unwrap().split(',').next().unwrap();
            let proof = BASE64.encode([0; 32]);
            let last = format!("c=biws,{nonce},p={proof}");
            assert!(challenge.finish(&mutate(last.as_bytes())).is_err());
        }
        let text = mutate(b"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:x");
        let _ = String::from_utf8_lossy(&text).parse::<Verifier>();
        let text =
            mutate(b"[users.ana]\nverifier = \"x\"\nattributes = { a = [\"b\"] }\n[users.ana]\n");
        let _ = UserStore::parse(&String::from_utf8_lossy(&text));
    }
}

#[test]
fn verifiers_have_bounds_and_round_trip() {
    let make = |password: &str, iterations, salt: &[u8]| {
        Verifier::from_password(password, iterations, salt).map(|_| ())
    };
    assert_eq!(make("", 4096, SALT), Err(VerifierError::Password));
    assert_eq!(make(&"x".repeat(1025), 4096, SALT), Err(VerifierError::Password));
    assert_eq!(make("x", 4095, SALT), Err(VerifierError::Iterations));
    assert_eq!(make("x", 0, SALT), Err(VerifierError::Iterations));
    assert_eq!(make("x", u32::MAX, SALT), Err(VerifierError::Iterations));
    assert_eq!(make("x", 4096, b"short"), Err(VerifierError::Salt));

    let text = Verifier::from_password("pencil", 4096, SALT).unwrap().to_string();
    assert_eq!(text.parse::<Verifier>().unwrap().to_string(), text);
    for bad in
        ["", "md5abc", "SCRAM-SHA-256$+4096:x$y:z", "SCRAM-SHA-256$4096:MDEyMzQ1Njc=$AAAA:AAAA"]
    {
        assert_eq!(bad.parse::<Verifier>().map(|_| ()), Err(VerifierError::Form), "{bad}");
    }
    assert!(!format!("{:?}", text.parse::<Verifier>().unwrap()).contains("Key"));
}

#[test]
fn passwords_are_prepared_as_libpq_does() {
    let same = |a: &str, b: &str| {
        let [a, b] = [a, b].map(|p| Verifier::from_password(p, 4096, SALT).unwrap().to_string());
        a == b
    };
    // RFC 4013: a soft hyphen vanishes, compatibility forms are folded, a wide space is a space.
    assert!(same("I\u{ad}X", "IX"));
    assert!(same("\u{2168}", "IX"));
    assert!(same("a\u{a0}b", "a b"));
    assert!(!same("USER", "user"));
    // Prohibited characters, or nothing left: the password as it is.
    assert!(!same("\u{7}a", "a"));
    assert!(!same("\u{ad}", "\u{ad}\u{ad}"));
}

#[test]
fn principals_tell_authentications_and_facts_apart() {
    let log_in = |attributes: &[(&str, &[&str])], address: &str| {
        let attributes = attributes
            .iter()
            .map(|(k, v)| (k.to_string(), v.iter().map(|v| v.to_string()).collect()))
            .collect();
        let verifier = Verifier::from_password("pencil", 4096, SALT).unwrap();
        let store = UserStore::parse("").unwrap().with_user("ana", verifier, attributes);
        store.verify_password("ana", "pencil", address.parse().unwrap()).unwrap()
    };
    let home = log_in(&[("a", &["b", "c"])], "10.0.0.1");
    let again = log_in(&[("a", &["b", "c"])], "::ffff:10.0.0.1");
    assert_ne!(home.id(), again.id());
    assert_eq!(home.fingerprint(), again.fingerprint());
    assert_eq!(again.address().to_string(), "10.0.0.1");
    type Facts<'a> = (&'a [(&'a str, &'a [&'a str])], &'a str);
    let others: [Facts<'_>; 4] = [
        (&[("a", &["b", "c"])], "10.0.0.2"),
        (&[("a", &["bc"])], "10.0.0.1"),
        (&[("a", &["b"]), ("c", &[])], "10.0.0.1"),
        (&[], "10.0.0.1"),
    ];
    for (attributes, address) in others {
        assert_ne!(log_in(attributes, address).fingerprint(), home.fingerprint());
    }
    assert!(!format!("{home:?}").contains("attributes"));
}
