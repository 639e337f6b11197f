//! An issuer of tokens that every gateway of the tests believes.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tollgate_identity::{Issuer, IssuerSettings};

fn pair() -> &'static EcdsaKeyPair {
    static PAIR: OnceLock<EcdsaKeyPair> = OnceLock::new();
    PAIR.get_or_init(|| {
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref(), &random).unwrap()
    })
}

/// The issuer's public keys, as it would publish them.
pub fn jwks() -> String {
    let point = pair().public_key().as_ref();
    let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..65]));
    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "x": x, "y": y }] }).to_string()
}

/// The issuer as a gateway knows it.
pub fn issuer() -> Arc<Issuer> {
    let settings = IssuerSettings {
        issuer: "https://id.example.com".to_owned(),
        audience: "tollgate".to_owned(),
        user: "sub".to_owned(),
        attributes: BTreeMap::from([("tenant_id".to_owned(), "tenant".to_owned())]),
        mfa: vec!["otp".to_owned()],
        purpose: Some("purpose".to_owned()),
        roles: Some("groups".to_owned()),
        leeway: 0,
    };
    Arc::new(Issuer::new(settings, &jwks()).unwrap())
}

/// Now, in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A token for a user of a tenant with more claims, good for some seconds.
pub fn token(user: &str, tenant: &str, seconds: i64, more: &Value) -> String {
    let mut claims = json!({
        "iss": "https://id.example.com", "aud": "tollgate", "sub": user, "tenant": tenant,
        "exp": now().saturating_add_signed(seconds),
    });
    let all = claims.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    let part = |value: &Value| BASE64.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({ "alg": "ES256" })), part(&claims));
    let signature = pair().sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64.encode(signature.as_ref()))
}
