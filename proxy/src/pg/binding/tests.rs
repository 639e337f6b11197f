//! Hashes of certificates, and of what is none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use super::*;

#[test]
fn the_hash_is_that_of_the_signature() {
    for (algorithm, expected) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
        (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
        (&rcgen::PKCS_ED25519, None),
    ] {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let hash = end_point_hash(certificate.der());
        assert_eq!(hash.map(|hash| hash.len()), expected);
        for end in 0..certificate.der().len() {
            let _ = end_point_hash(&certificate.der()[..end]);
        }
    }
    assert_eq!(end_point_hash(b"\x30\x84\xff\xff\xff\xff"), None);
}
