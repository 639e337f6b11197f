//! Session options over Flight SQL: they travel with each call, for whoever has authenticated by whatever, and
//! are good for their principal only, until its authentication ends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tonic::{Code, Status};

use crate::flight::worked;
use crate::harness::flight::{Flight, Session};
use crate::harness::gateway::PASSWORD;
use crate::harness::issuer::token;
use crate::harness::{python, run, world};
use crate::tokens::start;

async fn count(flight: &mut Flight) -> Result<usize, Status> {
    Ok(flight.statement("SELECT id FROM customers").await?.count())
}

/// The cookie as a client sends it back.
fn cookie(session: &Session) -> String {
    let set = session.cookie.as_deref().unwrap();
    let (pair, attributes) = set.split_once(';').unwrap();
    // When it ends is sealed in it: a client that forgot it by itself would go on without its options.
    assert!(attributes.contains("HttpOnly") && !attributes.contains("Max-Age"), "{set}");
    pair.to_owned()
}

fn clears(cookie: &str) -> bool {
    cookie.starts_with("tollgate-session=;") && cookie.ends_with("; Max-Age=0")
}

/// Sets the schema and forgets it again, by a client that takes the token of an answer, and by one that keeps
/// its cookie.
pub(crate) async fn options_hold(mut flight: Flight, schema: &str, table: &str, over_tls: bool) {
    let own = flight.token.clone();
    let sql = format!("SELECT id FROM {table}");
    for by_cookie in [false, true] {
        flight.token.clone_from(&own);
        assert!(flight.statement(&sql).await.is_err());
        let set = flight.session("SetSessionOptions", &[("schema", schema)]).await.unwrap();
        assert_eq!(set.body, "");
        let secure = set.cookie.as_ref().unwrap().contains("; Secure");
        assert_eq!(secure, over_tls, "{:?}", set.cookie);
        assert!(flight.statement(&sql).await.is_err(), "it is kept by the server");
        match by_cookie {
            true => flight.cookie = cookie(&set),
            false => flight.token = set.token.unwrap(),
        }
        assert!(flight.statement(&sql).await.unwrap().count() > 0);
        let prepared = flight.prepare(&sql).await.unwrap();
        let got = flight.session("GetSessionOptions", &[]).await.unwrap().body;
        let holds = |word: &str| got.windows(word.len()).any(|part| part == word.as_bytes());
        assert!(holds("schema") && holds(schema) && holds("tollgate"), "{got:?}");
        // Another option beside it, and one that doesn't exist.
        let more = [("dialect", "snowflake"), ("purpose", "care")];
        let more = flight.session("SetSessionOptions", &more).await.unwrap();
        assert!(more.body.windows(7).any(|part| part == b"purpose"), "{:?}", more.body);
        match by_cookie {
            true => flight.cookie = cookie(&more),
            false => flight.token = more.token.unwrap(),
        }
        assert_eq!(
            flight.statement(&format!("SELECT TOP 1 id FROM {table}")).await.unwrap().count(),
            1
        );
        // What was prepared before keeps its own.
        assert!(flight.redeem(&prepared.handle).await.unwrap().count() > 1);
        let closed = flight.session("CloseSession", &[]).await.unwrap();
        assert!(clears(closed.cookie.as_deref().unwrap()), "{:?}", closed.cookie);
        match by_cookie {
            true => flight.cookie.clear(),
            false => flight.token = closed.token.unwrap(),
        }
        assert!(flight.statement(&sql).await.is_err());
        // A second time there is nothing to forget.
        let closed = flight.session("CloseSession", &[]).await.unwrap();
        assert_eq!((closed.token, closed.cookie), (None, None));
    }
}

#[test]
fn options_are_kept_for_passwords_and_for_tokens_of_others() {
    run(async {
        let gateway = start("flight-sessions", &[]).await;
        let ana = Flight::connect(gateway.flight, "ana", PASSWORD).await.unwrap();
        options_hold(ana, "crm", "customers", false).await;
        let mut tess = Flight::stranger(gateway.flight).await;
        tess.token = format!("Bearer {}", token("tess", "acme", 60, &json!({})));
        options_hold(tess, "crm", "customers", false).await;
    });
}

fn not_valid(answer: Result<usize, Status>) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    assert!(status.message().starts_with("the session is not valid"), "{status:?}");
    // A client that keeps cookies goes on without it.
    let cookie = status.metadata().get("set-cookie").map(|cookie| cookie.to_str().unwrap());
    assert!(cookie.is_some_and(clears), "{status:?}");
}

fn unauthenticated(answer: Result<usize, Status>) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    assert!(status.message().starts_with("the call is not authenticated"), "{status:?}");
    assert!(!status.metadata().contains_key("set-cookie"), "{status:?}");
}

#[test]
fn options_are_their_principals() {
    run(async {
        let gateway = start("flight-sessions-crossed", &[]).await;
        let stranger = Flight::stranger(gateway.flight).await;
        let bearer = |user, seconds| format!("Bearer {}", token(user, "acme", seconds, &json!({})));
        let mut tess = Flight { token: bearer("tess", 60), ..stranger.clone() };
        let set = tess.session("SetSessionOptions", &[("schema", "crm")]).await.unwrap();
        let (own, theirs) = (cookie(&set), set.token.clone().unwrap());
        let (name, value) = own.split_once('=').unwrap();

        // Beside another cookie, and for a token that was renewed, they hold.
        tess.cookie = format!("a=b; {own}; c=\"d\"");
        assert_eq!(count(&mut tess).await.unwrap(), 40);
        tess.token = bearer("tess", 90);
        assert_eq!(count(&mut tess).await.unwrap(), 40);

        // Another principal, by a token, and by a password.
        let mut tom = Flight { token: bearer("tom", 60), cookie: own.clone(), ..stranger.clone() };
        not_valid(count(&mut tom).await);
        let mut ana = Flight::connect(gateway.flight, "ana", PASSWORD).await.unwrap();
        ana.cookie.clone_from(&own);
        not_valid(count(&mut ana).await);
        // It proves nobody, and is no token; nor is the token a cookie.
        let mut nobody = Flight { cookie: own.clone(), ..stranger.clone() };
        unauthenticated(count(&mut nobody).await);
        nobody.token = format!("Bearer {value}");
        nobody.cookie.clear();
        unauthenticated(count(&mut nobody).await);
        tess.cookie = format!("{name}={}", theirs.strip_prefix("Bearer ").unwrap());
        not_valid(count(&mut tess).await);
        // Changed, cut off, empty, twice.
        let mut changed = URL_SAFE_NO_PAD.decode(value).unwrap();
        for at in (0..changed.len()).step_by(11) {
            changed[at] ^= 4;
            tess.cookie = format!("{name}={}", URL_SAFE_NO_PAD.encode(&changed));
            not_valid(count(&mut tess).await);
            changed[at] ^= 4;
        }
        for wrong in ["", "x", &value[..value.len() - 4], &format!("{value}; {own}")] {
            tess.cookie = format!("{name}={wrong}");
            not_valid(count(&mut tess).await);
        }
        let mut changed = URL_SAFE_NO_PAD.decode(&theirs["Bearer ".len()..]).unwrap();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        nobody.token = format!("Bearer {}", URL_SAFE_NO_PAD.encode(changed));
        unauthenticated(count(&mut nobody).await);

        // A login begins anew.
        let mut again = Flight { cookie: own, ..stranger };
        let login = again.log_in("ana", PASSWORD).await.unwrap();
        assert!(clears(&login.unwrap()));
    });
}

#[test]
fn options_end_with_the_authentication() {
    run(async {
        let gateway = start("flight-sessions-ended", &[]).await;
        let mut tess = Flight::stranger(gateway.flight).await;
        let none = json!({});
        tess.token = format!("Bearer {}", token("tess", "acme", 3, &none));
        let set = tess.session("SetSessionOptions", &[("schema", "crm")]).await.unwrap();
        let mut by_token = Flight { token: set.token.clone().unwrap(), ..tess.clone() };
        let mut by_cookie = Flight { cookie: cookie(&set), ..tess.clone() };
        assert_eq!(count(&mut by_token).await.unwrap(), 40);
        assert_eq!(count(&mut by_cookie).await.unwrap(), 40);
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        unauthenticated(count(&mut by_token).await);
        unauthenticated(count(&mut by_cookie).await);
        by_cookie.token = format!("Bearer {}", token("tess", "acme", 60, &none));
        not_valid(count(&mut by_cookie).await);

        // A token that is too long to be sent back leaves it to the cookie.
        let long = json!({ "groups": vec!["a group with a name of its own"; 200] });
        tess.token = format!("Bearer {}", token("tess", "acme", 60, &long));
        let set = tess.session("SetSessionOptions", &[("schema", "crm")]).await.unwrap();
        assert_eq!(set.token, None);
        tess.cookie = cookie(&set);
        assert_eq!(count(&mut tess).await.unwrap(), 40);
    });
}

#[test]
fn adbc_keeps_options_with_and_without_cookies() {
    run(async {
        let gateway = start("flight-sessions-adbc", &[]).await;
        let certificate = world().await.postgres.scratch("flight-sessions-tls").join("ca.pem");
        std::fs::write(&certificate, &gateway.certificate).unwrap();
        let uri = format!("grpc+tls://127.0.0.1:{}", gateway.flight_tls.port());
        let token = token("tess", "acme", 600, &json!({}));
        let arguments = [&uri, certificate.to_str().unwrap(), PASSWORD, &token];
        let name = "check_sessions.py";
        worked(name, &python::run(name, &arguments, "").await);
    });
}
