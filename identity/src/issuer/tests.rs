//! Tokens of another issuer: those that are good, and every way in which one isn't.
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

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::{Issuer, IssuerSettings};
use crate::{AuthError, IssuerError, UserStore};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const NOW: u64 = 1_000_000;

/// A key pair and its public half as a JSON Web Key.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random);
        Self(pair.unwrap())
    }

    fn jwk(&self, id: &str) -> Value {
        let point = self.0.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..65]));
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": id, "x": x, "y": y })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64.encode(signature.as_ref()))
    }
}

fn settings() -> IssuerSettings {
    IssuerSettings {
        issuer: "https://id.example.com".to_owned(),
        audience: "tollgate".to_owned(),
        user: "email".to_owned(),
        attributes: BTreeMap::from([
            ("tenant_id".to_owned(), "tenant".to_owned()),
            ("groups".to_owned(), "/realm_access/roles".to_owned()),
        ]),
        mfa: vec!["otp".to_owned()],
        purpose: Some("purpose".to_owned()),
        roles: Some("/realm_access/roles".to_owned()),
        leeway: 30,
    }
}

fn header() -> Value {
    json!({ "alg": "ES256", "typ": "JWT", "kid": "one" })
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example.com", "aud": ["other", "tollgate"], "exp": NOW + 600,
        "nbf": NOW - 10, "sub": "17", "email": "ana@acme.test", "tenant": "acme",
        "realm_access": { "roles": ["a", "b"] }, "amr": ["pwd", "otp"], "purpose": "care",
    })
}

/// The store that believes a signer.
fn store(signer: &Signer) -> UserStore {
    let set = json!({ "keys": [Signer::new().jwk("zero"), signer.jwk("one")] });
    let issuer = Issuer::new(settings(), &set.to_string()).unwrap();
    UserStore::parse("").unwrap().with_issuer(Some(Arc::new(issuer)))
}

#[test]
fn a_token_is_who_it_says_with_what_it_says() {
    let signer = Signer::new();
    let store = store(&signer);
    let token = signer.sign(&header(), &claims());
    let ana = store.verify_issued_token(&token, HERE, NOW).unwrap();
    assert_eq!(ana.name(), "ana@acme.test");
    let expected = BTreeMap::from([
        ("groups".to_owned(), vec!["a".to_owned(), "b".to_owned()]),
        ("tenant_id".to_owned(), vec!["acme".to_owned()]),
    ]);
    assert_eq!(ana.attributes(), &expected);
    assert_eq!((ana.mfa(), ana.purpose()), (true, Some("care")));
    assert!(ana.claimed_roles().eq(["a", "b"]));
    assert_eq!(ana.expires(), Some(NOW + 630));
    assert!(store.is_current(&ana) && !ana.is_rehearsed());

    // A renewed token is the same principal's; one that attests less isn't.
    let mut later = claims();
    later["exp"] = json!(NOW + 900);
    let later = store.verify_issued_token(&signer.sign(&header(), &later), HERE, NOW).unwrap();
    assert_eq!(later.fingerprint(), ana.fingerprint());
    let mut less = claims();
    less["amr"] = json!(["pwd"]);
    less["purpose"] = json!(["care"]);
    let less = store.verify_issued_token(&signer.sign(&header(), &less), HERE, NOW).unwrap();
    assert_eq!((less.mfa(), less.purpose()), (false, None));
    assert_ne!(less.fingerprint(), ana.fingerprint());

    let mut fewer = claims();
    fewer["realm_access"]["roles"] = json!("a");
    let fewer = store.verify_issued_token(&signer.sign(&header(), &fewer), HERE, NOW).unwrap();
    assert!(fewer.claimed_roles().eq(["a"]));
    // Without the attribute, which is read from the same claim, they would differ by their roles alone.
    let roles = |roles| {
        let settings = IssuerSettings { attributes: BTreeMap::new(), roles, ..settings() };
        let issuer = Issuer::new(settings, &json!({ "keys": [signer.jwk("one")] }).to_string());
        UserStore::parse("").unwrap().with_issuer(Some(Arc::new(issuer.unwrap())))
    };
    let read = |claim: Option<&str>| {
        roles(claim.map(str::to_owned)).verify_issued_token(&token, HERE, NOW).unwrap()
    };
    let (with, without) = (read(Some("/realm_access/roles")), read(None));
    assert_ne!(with.fingerprint(), without.fingerprint());
    assert_eq!(without.claimed_roles().count(), 0);

    // A key that was withdrawn, other settings, or a password user of that name.
    let again = |settings: IssuerSettings, keys: Value| {
        let issuer = Issuer::new(settings, &json!({ "keys": keys }).to_string()).unwrap();
        UserStore::parse("").unwrap().with_issuer(Some(Arc::new(issuer)))
    };
    assert!(again(settings(), json!([signer.jwk("one")])).is_current(&ana));
    assert!(!again(settings(), json!([Signer::new().jwk("one")])).is_current(&ana));
    let other = IssuerSettings { audience: "other".to_owned(), ..settings() };
    assert!(!again(other, json!([signer.jwk("one")])).is_current(&ana));
    let verifier = crate::Verifier::from_password("pencil", 4096, b"0123456789abcdef").unwrap();
    let known = again(settings(), json!([signer.jwk("one")]));
    let known = known.with_user("ana@acme.test", verifier, BTreeMap::new());
    assert!(!known.is_current(&ana));
    assert_eq!(known.verify_issued_token(&token, HERE, NOW).unwrap_err(), AuthError::Token);

    // Whose issuer isn't believed any more isn't current, and gets in no more.
    let without = store.reload("").unwrap();
    assert!(!without.is_current(&ana));
    assert_eq!(without.verify_issued_token(&token, HERE, NOW).unwrap_err(), AuthError::Token);
}

#[test]
fn whatever_is_wrong_with_a_token_the_error_is_the_same() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let store = store(&signer);
    let changed = |change: &dyn Fn(&mut Value, &mut Value)| {
        let (mut header, mut claims) = (header(), claims());
        change(&mut header, &mut claims);
        signer.sign(&header, &claims)
    };
    let good = changed(&|_, _| {});
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other = BASE64.encode(claims().to_string().replace("acme", "zcme"));
    let mut wrong = vec![
        String::new(),
        "..".to_owned(),
        message.to_owned(),
        format!("{message}."),
        format!("{}.{other}.{signature}", message.split_once('.').unwrap().0),
        format!("{good}A"),
        "a".repeat(70_000),
        stranger.sign(&header(), &claims()),
    ];
    // Claims.
    for (claim, value) in [
        ("iss", json!("https://id.example.org")),
        ("iss", Value::Null),
        ("aud", json!("other")),
        ("aud", json!([])),
        ("exp", json!(NOW - 30)),
        ("exp", json!("tomorrow")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("nbf", json!(NOW + 31)),
        ("nbf", json!("yesterday")),
        ("email", json!("")),
        ("email", json!("a\nb")),
        ("email", json!(["ana@acme.test"])),
        ("email", json!("x".repeat(129))),
    ] {
        wrong.push(changed(&|_, claims| claims[claim] = value.clone()));
    }
    for claim in ["iss", "aud", "exp", "email"] {
        wrong.push(changed(&|_, claims| drop(claims.as_object_mut().unwrap().remove(claim))));
    }
    // Headers.
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("ES384")),
        ("alg", Value::Null),
        ("kid", json!("zero")),
        ("kid", json!("nobody")),
        ("kid", json!(1)),
        ("crit", json!(["exp"])),
    ] {
        wrong.push(changed(&|header, _| header[name] = value.clone()));
    }
    for token in wrong {
        let error = store.verify_issued_token(&token, HERE, NOW).unwrap_err();
        assert_eq!(error, AuthError::Token, "{token}");
    }
    // At the edges of the time that clocks may differ.
    for (claim, time) in [("exp", NOW - 29), ("nbf", NOW + 30)] {
        let token = changed(&|_, claims| claims[claim] = json!(time));
        assert!(store.verify_issued_token(&token, HERE, NOW).is_ok(), "{claim}");
    }
    // Without a key's name every key is tried.
    let token = changed(&|header, _| drop(header.as_object_mut().unwrap().remove("kid")));
    assert!(store.verify_issued_token(&token, HERE, NOW).is_ok());
}

#[test]
fn a_token_signed_with_the_public_key_as_a_secret_is_none() {
    let signer = Signer::new();
    let store = store(&signer);
    let jwk = signer.jwk("one");
    for secret in [jwk.to_string(), jwk["x"].as_str().unwrap().to_owned()] {
        let header = json!({ "alg": "HS256", "kid": "one" });
        let part = |value: &Value| BASE64.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims()));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let signature = BASE64.encode(ring::hmac::sign(&key, message.as_bytes()).as_ref());
        let token = format!("{message}.{signature}");
        assert_eq!(store.verify_issued_token(&token, HERE, NOW).unwrap_err(), AuthError::Token);
    }
}

#[test]
fn key_sets_are_judged() {
    let judge = |text: &str| Issuer::new(settings(), text).map(drop);
    let signer = Signer::new();
    assert_eq!(judge("{"), Err(IssuerError::Form));
    assert_eq!(judge("{\"keys\": []}"), Err(IssuerError::Empty));
    let secret = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "one" });
    assert_eq!(judge(&json!({ "keys": [secret] }).to_string()), Err(IssuerError::Empty));
    let mut encryption = signer.jwk("one");
    encryption["use"] = json!("enc");
    assert_eq!(judge(&json!({ "keys": [encryption] }).to_string()), Err(IssuerError::Empty));
    let mut other = signer.jwk("one");
    other["alg"] = json!("ES384");
    assert_eq!(judge(&json!({ "keys": [other] }).to_string()), Err(IssuerError::Empty));
    assert_eq!(judge(&json!({ "keys": [signer.jwk("one")] }).to_string()), Ok(()));
}

#[test]
fn a_key_that_is_not_known_is_passed_over() {
    let signer = Signer::new();
    let unknown = json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "new" });
    let curve = json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" });
    let set = json!({ "keys": [unknown, curve, 7, signer.jwk("one")] });
    let issuer = Issuer::new(settings(), &set.to_string()).unwrap();
    let store = UserStore::parse("").unwrap().with_issuer(Some(Arc::new(issuer)));
    store.verify_issued_token(&signer.sign(&header(), &claims()), HERE, NOW).unwrap();
}

#[test]
fn keys_come_go_and_end() {
    let (signer, next) = (Signer::new(), Signer::new());
    let issuer = Arc::new(Issuer::without_keys(settings()));
    let store = UserStore::parse("").unwrap().with_issuer(Some(Arc::clone(&issuer)));
    let one = signer.sign(&header(), &claims());
    let two = next.sign(&json!({ "alg": "ES256", "kid": "two" }), &claims());
    let nameless = next.sign(&json!({ "alg": "ES256" }), &claims());
    let set = |keys: &[Value]| json!({ "keys": keys }).to_string();
    let good = |token: &str, now: u64| store.verify_issued_token(token, HERE, now).is_ok();
    let lacks = || [&one, &two, &nameless].map(|token| issuer.lacks_key_of(token));

    assert!(!good(&one, NOW));
    assert_eq!(lacks(), [true; 3]);
    assert_eq!(issuer.replace_keys(&set(&[signer.jwk("one")]), NOW + 100), Ok(false));
    assert_eq!(lacks(), [false, true, false]);
    assert!(good(&one, NOW) && !good(&two, NOW));
    let ana = store.verify_issued_token(&one, HERE, NOW).unwrap();
    // They are as old as that.
    assert!(good(&one, NOW + 99) && !good(&one, NOW + 100));

    // Another key comes; what is no set changes nothing; the first one goes.
    let both = set(&[signer.jwk("one"), next.jwk("two")]);
    assert_eq!(issuer.replace_keys(&both, NOW + 200), Ok(false));
    assert!(good(&one, NOW + 100) && good(&two, NOW) && good(&nameless, NOW));
    assert_eq!(issuer.replace_keys("<html>", NOW + 300), Err(IssuerError::Form));
    assert_eq!(issuer.replace_keys("{\"keys\": 1}", NOW + 300), Err(IssuerError::Form));
    assert!(good(&one, NOW + 199) && !good(&one, NOW + 200) && store.is_current(&ana));
    assert_eq!(issuer.replace_keys(&set(&[next.jwk("two")]), NOW + 300), Ok(true));
    assert!(!good(&one, NOW) && good(&two, NOW) && !store.is_current(&ana));
    // The same name for another key.
    assert_eq!(issuer.replace_keys(&set(&[signer.jwk("two")]), NOW + 300), Ok(true));
    assert!(!good(&two, NOW));
    assert_eq!(issuer.replace_keys(&set(&[]), NOW + 300), Ok(true));
    assert_eq!(lacks(), [true; 3]);
    assert!(!issuer.forget_keys());
    issuer.replace_keys(&both, NOW + 300).unwrap();
    assert!(issuer.forget_keys() && !good(&one, NOW));
    for nonsense in ["", "a.b.c", "e30", "."] {
        assert!(!issuer.lacks_key_of(nonsense), "{nonsense}");
    }
}
