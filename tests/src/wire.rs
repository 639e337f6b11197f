//! The protocol with a client that lies, breaks off, or is no client at all.
//!
//! Each test of the first part is a hole that a server of this protocol once had.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness;
use crate::harness::gateway::DATABASE;
use crate::harness::raw::{
    Raw, Reply, bind, cancel, execute, kinds, message, parse, startup, sync, zero,
};

const PROTOCOL: u32 = 0x0003_0000;
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A statement of more rows than any socket buffers.
const LONG: &str = "SELECT a.full_name, b.email, c.full_name AS again FROM crm.customers a \
                    CROSS JOIN crm.customers b CROSS JOIN crm.customers c CROSS JOIN crm.orders d \
                    CROSS JOIN crm.orders e";

fn fatal(replies: &[Reply], code: &str) {
    let last = replies.last().expect("the server said nothing");
    assert_eq!(last.kind, b'E', "{replies:?}");
    assert_eq!(last.field(b'S').as_deref(), Some("FATAL"), "{last:?}");
    assert_eq!(last.field(b'C').as_deref(), Some(code), "{last:?}");
    assert!(!kinds(replies).contains('Z'), "{replies:?}");
}

fn error(reply: &Reply, code: &str) {
    assert_eq!(reply.kind, b'E', "{reply:?}");
    assert_eq!(reply.field(b'S').as_deref(), Some("ERROR"), "{reply:?}");
    assert_eq!(reply.field(b'C').as_deref(), Some(code), "{reply:?}");
}

#[test]
fn errors_at_start_up_are_fatal() {
    harness::run(async {
        let address = harness::world().await.address();
        // Not authenticated, so whatever else was sent is never read as a query.
        let query = message(b'Q', &zero("SELECT 1"));

        let mut raw = Raw::open(address).await;
        raw.send(&[startup(PROTOCOL, &[("database", DATABASE)]), query.clone()].concat()).await;
        fatal(&raw.until_closed().await, "28000");

        let mut raw = Raw::open(address).await;
        raw.send(&startup(PROTOCOL, &[("user", "ana"), ("database", DATABASE)])).await;
        raw.wait(b'R').await;
        raw.send(&query).await;
        fatal(&raw.until_closed().await, "08P01");

        let mut raw = Raw::open(address).await;
        raw.send(&startup(PROTOCOL, &[("user", "ana"), ("database", "another")])).await;
        raw.authenticate(crate::harness::gateway::PASSWORD).await;
        let _ = raw.try_send(&query).await;
        fatal(&raw.until_closed().await, "3D000");

        let mut raw = Raw::open(address).await;
        let parameters = [("user", "ana"), ("database", DATABASE), ("no_such_setting", "1")];
        raw.send(&startup(PROTOCOL, &parameters)).await;
        raw.authenticate(crate::harness::gateway::PASSWORD).await;
        let _ = raw.try_send(&query).await;
        fatal(&raw.until_closed().await, "42704");

        let mut raw = Raw::open(address).await;
        raw.send(&startup(0x0002_0000, &[("user", "ana")])).await;
        fatal(&raw.until_closed().await, "0A000");
    });
}

#[test]
fn replayed_and_forged_proofs_are_refused() {
    harness::run(async {
        let address = harness::world().await.address();
        for body in [&b"c=biws,r=wrong,p=AAAA"[..], b"", b"\0\0\0", &[0xff; 40]] {
            let mut raw = Raw::open(address).await;
            raw.send(&startup(PROTOCOL, &[("user", "ana"), ("database", DATABASE)])).await;
            raw.wait(b'R').await;
            let first = b"n,,n=,r=abcdefghijkl";
            let mut initial = b"SCRAM-SHA-256\0".to_vec();
            initial.extend(u32::try_from(first.len()).unwrap().to_be_bytes());
            initial.extend(first);
            raw.send(&message(b'p', &initial)).await;
            raw.wait(b'R').await;
            raw.send(&message(b'p', body)).await;
            let replies = raw.until_closed().await;
            assert_eq!(kinds(&replies), "E", "{replies:?}");
            assert_eq!(replies[0].field(b'S').as_deref(), Some("FATAL"), "{replies:?}");
        }
    });
}

/// What came before the TLS handshake is no part of the encrypted session.
#[test]
fn bytes_before_tls_are_not_taken_for_encrypted_ones() {
    harness::run(async {
        let address = harness::world().await.address();
        let injected = startup(PROTOCOL, &[("user", "ana"), ("database", DATABASE)]);
        let mut raw = Raw::open(address).await;
        raw.send(&[&SSL_REQUEST[..], &injected].concat()).await;
        assert_eq!(raw.stream.read_u8().await.unwrap(), b'S');
        // The start-up packet isn't a TLS handshake: an alert at most, never a challenge.
        let mut rest = Vec::new();
        let read = raw.stream.read_to_end(&mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(120), read).await.expect("it hangs");
        assert!(!rest.windows(5).any(|window| window == b"SCRAM"), "{rest:?}");
        assert!(rest.is_empty() || rest[0] == 0x15, "not a TLS alert: {rest:?}");
    });
}

#[test]
fn row_limits_at_the_ends_of_their_range_are_harmless() {
    harness::run(async {
        let address = harness::world().await.address();
        for rows in [i32::MAX, -1, i32::MIN, 0] {
            let mut raw = Raw::session(address, "ana").await;
            let sent = [
                parse("", "SELECT id FROM crm.orders"),
                bind("", "", &[]),
                execute("", rows),
                sync(),
            ];
            raw.send(&sent.concat()).await;
            let replies = raw.until_ready().await;
            let found = kinds(&replies).matches('D').count();
            assert_eq!(found, 120, "max_rows {rows}: {}", kinds(&replies));
            assert!(kinds(&replies).ends_with("CZ"), "{}", kinds(&replies));
            raw.works().await;
        }
    });
}

#[test]
fn portals_are_suspended_and_resumed() {
    harness::run(async {
        let mut raw = Raw::session(harness::world().await.address(), "ana").await;
        raw.query("BEGIN").await;
        let sent = [
            parse("", "SELECT id FROM crm.orders ORDER BY id"),
            bind("p", "", &[1]),
            execute("p", 50),
            execute("p", 50),
            sync(),
        ];
        raw.send(&sent.concat()).await;
        let first = kinds(&raw.until_ready().await);
        assert_eq!(first, format!("12{}s{}sZ", "D".repeat(50), "D".repeat(50)));
        raw.send(&[execute("p", 50), execute("p", 50), sync()].concat()).await;
        let rest = raw.until_ready().await;
        assert_eq!(kinds(&rest), format!("{}CCZ", "D".repeat(20)));
        raw.query("COMMIT").await;
        raw.send(&[execute("p", 1), sync()].concat()).await;
        let gone = raw.until_ready().await;
        assert_eq!(kinds(&gone), "EZ");
        error(&gone[0], "34000");
        raw.works().await;
    });
}

#[test]
fn lists_of_formats_that_do_not_fit_are_refused() {
    harness::run(async {
        let address = harness::world().await.address();
        for formats in [&[1, 0][..], &[0, 0, 0, 0], &[7], &[-1, 1, 1]] {
            let mut raw = Raw::session(address, "ana").await;
            let sent = [
                parse("", "SELECT id, tenant_id, amount FROM crm.orders"),
                bind("", "", formats),
                execute("", 0),
                sync(),
            ];
            raw.send(&sent.concat()).await;
            let replies = raw.until_ready().await;
            assert_eq!(kinds(&replies), "1EZ", "{formats:?}: {replies:?}");
            raw.works().await;
        }
    });
}

#[test]
fn lengths_are_refused_before_the_bytes_are_taken() {
    harness::run(async {
        let address = harness::world().await.address();
        // 300 MB of start-up packet, and of password.
        let mut raw = Raw::open(address).await;
        raw.send(&[&314_572_800_u32.to_be_bytes()[..], &PROTOCOL.to_be_bytes()].concat()).await;
        fatal(&raw.until_closed().await, "08P01");

        let mut raw = Raw::open(address).await;
        raw.send(&startup(PROTOCOL, &[("user", "ana"), ("database", DATABASE)])).await;
        raw.wait(b'R').await;
        let mut head = vec![b'p'];
        head.extend(314_572_800_u32.to_be_bytes());
        raw.send(&head).await;
        fatal(&raw.until_closed().await, "54000");

        // After authentication, of a query.
        let mut raw = Raw::session(address, "ana").await;
        let mut head = vec![b'Q'];
        head.extend(i32::MAX.to_be_bytes());
        raw.send(&head).await;
        fatal(&raw.until_closed().await, "54000");

        // Lengths that don't even hold themselves.
        for length in [0_u32, 3, u32::MAX] {
            let mut raw = Raw::session(address, "ana").await;
            let mut head = vec![b'Q'];
            head.extend(length.to_be_bytes());
            raw.send(&head).await;
            fatal(&raw.until_closed().await, "08P01");
        }
    });
}

/// A token of 64 kB fits into a password message, so that the answer is about the message itself.
#[test]
fn long_password_messages_are_read() {
    harness::run(async {
        let mut raw = Raw::open(harness::world().await.address()).await;
        raw.send(&startup(PROTOCOL, &[("user", "ana"), ("database", DATABASE)])).await;
        raw.wait(b'R').await;
        let mut body = b"SCRAM-SHA-256\0".to_vec();
        body.extend(60_000_u32.to_be_bytes());
        body.extend([b'x'; 60_000]);
        raw.send(&message(b'p', &body)).await;
        let replies = raw.until_closed().await;
        assert_eq!(kinds(&replies), "E", "{replies:?}");
    });
}

#[test]
fn rows_that_stream_are_cancelled() {
    harness::run(async {
        let world = harness::world().await;
        let mut raw = Raw::session(world.address(), "ana").await;
        let key = raw.key.clone();
        raw.send(&message(b'Q', &zero(LONG))).await;
        for _ in 0..1000 {
            assert!(raw.reply().await.is_some());
        }
        // A wrong secret first: it must do nothing.
        let mut wrong = key.clone();
        *wrong.last_mut().unwrap() ^= 1;
        cancel(world.address(), &wrong).await;
        for _ in 0..10_000 {
            assert_eq!(raw.reply().await.unwrap().kind, b'D');
        }
        cancel(world.address(), &key).await;
        let replies = raw.until_ready().await;
        assert!(kinds(&replies).ends_with("EZ"), "the end: {:?}", replies.last());
        error(&replies[replies.len() - 2], "57014");
        raw.works().await;
    });
}

/// As many as may run at once, and none of them reads.
#[test]
fn clients_that_read_nothing_hold_up_nobody() {
    harness::run(async {
        let world = harness::world().await;
        let audit = world.postgres.scratch("unread").join("audit.jsonl");
        let gateway = harness::gateway::start(&world.folder, &audit).await;
        let mut unread = Vec::new();
        for _ in 0..8 {
            let mut raw = Raw::session(gateway.address, "ana").await;
            raw.send(&message(b'Q', &zero(LONG))).await;
            // It runs: its rows come.
            raw.wait(b'D').await;
            unread.push(raw);
        }
        let ana = gateway.connect("ana").await;
        let asked = ana.simple("SELECT count(*) FROM crm.tenants");
        let answer = tokio::time::timeout(Duration::from_secs(120), asked).await;
        assert_eq!(answer.expect("it waits for who doesn't read").rows().len(), 1);
        // Who reads again gets the rest.
        let raw = &mut unread[0];
        for _ in 0..100_000 {
            assert_eq!(raw.reply().await.unwrap().kind, b'D');
        }
    });
}

#[test]
fn the_first_row_comes_before_the_last_is_made() {
    harness::run(async {
        let mut raw = Raw::session(harness::world().await.address(), "ana").await;
        // There are more rows than could be made while a test waits.
        let sent = [parse("", LONG), bind("", "", &[1]), execute("", 0), sync()];
        raw.send(&sent.concat()).await;
        raw.wait(b'D').await;
    });
}

#[test]
fn what_nobody_needs_is_refused_and_the_session_goes_on() {
    harness::run(async {
        let mut raw = Raw::session(harness::world().await.address(), "ana").await;
        // A function call, and the data of a COPY that never began.
        raw.send(&message(b'F', &[0; 10])).await;
        let replies = raw.until_ready().await;
        error(&replies[0], "0A000");
        raw.send(&message(b'd', b"1\t2\n")).await;
        raw.send(&message(b'c', &[])).await;
        raw.works().await;
        // After an error everything up to Sync is skipped.
        let sent = [
            parse("", "SELECT * FROM hr.salaries"),
            bind("", "", &[]),
            execute("", 0),
            parse("kept", "SELECT 1"),
            sync(),
        ];
        raw.send(&sent.concat()).await;
        let replies = raw.until_ready().await;
        assert_eq!(kinds(&replies), "EZ", "{replies:?}");
        error(&replies[0], "42P01");
        raw.send(&[bind("", "kept", &[]), sync()].concat()).await;
        let replies = raw.until_ready().await;
        error(&replies[0], "26000");
        // The same name twice.
        raw.send(&[parse("s", "SELECT 1"), parse("s", "SELECT 2"), sync()].concat()).await;
        let replies = raw.until_ready().await;
        assert_eq!(kinds(&replies), "1EZ");
        error(&replies[1], "42P05");
        // An empty query.
        assert_eq!(kinds(&raw.query("").await), "IZ");
        assert_eq!(kinds(&raw.query(" ; -- nothing").await), "IZ");
        raw.works().await;
    });
}

/// Describe is decided like Execute: it tells no types of what is hidden.
#[test]
fn describe_tells_nothing_hidden() {
    harness::run(async {
        let mut raw = Raw::session(harness::world().await.address(), "ana").await;
        let describe = message(b'D', b"S\0");
        for (sql, code) in [
            ("SELECT * FROM hr.salaries WHERE 1 = 0", "42P01"),
            ("SELECT income FROM crm.customers WHERE 1 = 0", "42703"),
        ] {
            raw.send(&[parse("", sql), describe.clone(), sync()].concat()).await;
            let replies = raw.until_ready().await;
            assert_eq!(kinds(&replies), "EZ", "{sql}: {replies:?}");
            error(&replies[0], code);
        }
        raw.send(&[parse("", "SELECT * FROM crm.customers"), describe, sync()].concat()).await;
        let replies = raw.until_ready().await;
        assert_eq!(kinds(&replies), "1tTZ");
        let columns = String::from_utf8_lossy(&replies[2].body).into_owned();
        assert!(columns.contains("full_name") && !columns.contains("income"), "{columns}");
    });
}

#[test]
fn old_and_new_protocol_versions_are_negotiated() {
    harness::run(async {
        let address = harness::world().await.address();
        let parameters = [("user", "ana"), ("database", DATABASE)];
        // An unknown minor version, and an unknown option: the server names what it has.
        let with_option = [parameters[0], parameters[1], ("_pq_.nothing", "1")];
        for packet in [startup(0x0003_270f, &parameters), startup(PROTOCOL, &with_option)] {
            let mut raw = Raw::open(address).await;
            raw.send(&packet).await;
            assert_eq!(raw.reply().await.unwrap().kind, b'v');
            raw.authenticate(crate::harness::gateway::PASSWORD).await;
            assert!(kinds(&raw.until_ready().await).ends_with("KZ"));
            raw.works().await;
        }
        let mut raw = Raw::open(address).await;
        raw.send(&startup(0x0003_0002, &parameters)).await;
        raw.authenticate(crate::harness::gateway::PASSWORD).await;
        let replies = raw.until_ready().await;
        let key = replies.iter().find(|reply| reply.kind == b'K').unwrap();
        assert!(key.body.len() > 8, "3.2 has long cancel keys");
        raw.works().await;
    });
}

/// SplitMix64: the same noise in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.next() % most).map(|_| self.next() as u8).collect()
    }
}

/// Messages that look like messages, with bodies that don't.
fn garbage(noise: &mut Noise) -> Vec<u8> {
    const KINDS: &[u8] = b"QPBDECHSXFdcfpRZ\0";
    let kind = KINDS[usize::try_from(noise.next()).unwrap_or(0) % KINDS.len()];
    match noise.next() % 4 {
        0 => noise.bytes(64),
        1 => message(kind, &noise.bytes(48)),
        2 => {
            let mut bytes = message(kind, &noise.bytes(48));
            bytes[1..5].copy_from_slice(&u32::try_from(noise.next() % 200).unwrap().to_be_bytes());
            bytes
        }
        _ => {
            // A sane message with one byte turned over.
            let mut bytes = [
                parse("s", "SELECT id FROM crm.orders WHERE id = $1"),
                bind("p", "s", &[1]),
                execute("p", 1),
                sync(),
            ]
            .concat();
            let at = usize::try_from(noise.next()).unwrap_or(0) % bytes.len();
            bytes[at] ^= 1 << (noise.next() % 8);
            bytes
        }
    }
}

/// Sends noise, closes this side, and waits for the server to close its own.
async fn ends(mut raw: Raw, noise: Vec<u8>, seed: u64) {
    let _ = raw.try_send(&noise).await;
    let _ = raw.stream.shutdown().await;
    let mut rest = Vec::new();
    let read = raw.stream.read_to_end(&mut rest);
    tokio::time::timeout(Duration::from_secs(120), read)
        .await
        .unwrap_or_else(|_| panic!("seed {seed}: the connection hangs after {noise:?}"))
        .ok();
    let text = String::from_utf8_lossy(&rest);
    assert!(!text.contains("CANARY"), "seed {seed}: {text}");
}

#[test]
fn garbage_ends_and_the_server_goes_on() {
    harness::run(async {
        let address = harness::world().await.address();
        let mut tasks = tokio::task::JoinSet::new();
        for seed in 0..500 {
            let mut noise = Noise(seed);
            let authenticated = seed % 5 == 0;
            let bytes: Vec<u8> = (0..4).flat_map(|_| garbage(&mut noise)).collect();
            tasks.spawn(async move {
                let raw = if authenticated {
                    Raw::session(address, "ana").await
                } else {
                    Raw::open(address).await
                };
                let bytes = match seed % 5 {
                    1 => [startup(PROTOCOL, &[("user", "ana")]), bytes].concat(),
                    2 => [SSL_REQUEST.to_vec(), bytes].concat(),
                    _ => bytes,
                };
                ends(raw, bytes, seed).await;
            });
            if tasks.len() >= 32 {
                tasks.join_next().await.unwrap().unwrap();
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        Raw::session(address, "ana").await.works().await;
    });
}
