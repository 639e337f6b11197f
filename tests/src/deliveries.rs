//! Cursors and COPY give what PostgreSQL gives, message by message; and what they reach is governed.

use std::net::SocketAddr;

use crate::harness::raw::{Raw, Reply, bind, execute, message, parse, startup, sync, zero};
use crate::harness::{self, case};

/// What an answer says: of errors the state, of columns the names.
fn said(replies: &[Reply]) -> Vec<String> {
    let said = |reply: &Reply| {
        let kind = reply.kind as char;
        match reply.kind {
            b'E' => format!("E {}", reply.field(b'C').unwrap()),
            b'T' => format!("T {}", names(&reply.body)),
            _ => format!("{kind} {}", reply.body.escape_ascii()),
        }
    };
    // Settings and notices are compared elsewhere. What is wrong is said at Parse, not at Execute.
    let wrong = replies.iter().any(|reply| reply.kind == b'E');
    let told = |reply: &&Reply| match reply.kind {
        b'S' | b'N' => false,
        // PostgreSQL has all rows of a FETCH before it describes them.
        b'1' | b'2' | b'T' => !wrong,
        _ => true,
    };
    replies.iter().filter(told).map(said).collect()
}

/// The names and formats of the columns of a RowDescription.
fn names(body: &[u8]) -> String {
    let mut rest = &body[2..];
    let mut names = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == 0).unwrap();
        let format = rest[end + 18];
        names.push(format!("{}:{format}", String::from_utf8_lossy(&rest[..end])));
        rest = &rest[end + 19..];
    }
    names.join(" ")
}

/// A session of a PostgreSQL that trusts its clients.
async fn trusted(address: SocketAddr, database: &str) -> Raw {
    let mut raw = Raw::open(address).await;
    raw.send(&startup(0x0003_0000, &[("user", "postgres"), ("database", database)])).await;
    raw.until_ready().await;
    raw
}

struct Both {
    ours: Raw,
    theirs: Raw,
}

impl Both {
    async fn new() -> Both {
        let world = harness::world().await;
        let server = SocketAddr::from(([127, 0, 0, 1], world.postgres.port));
        let ours = Raw::session(world.address(), "ana").await;
        Both { ours, theirs: trusted(server, "projected").await }
    }

    /// Sends the same to both; what differs.
    async fn same(&mut self, text: &str, bytes: &[u8]) -> Option<String> {
        self.ours.send(bytes).await;
        self.theirs.send(bytes).await;
        let (ours, theirs) = (self.ours.until_ready().await, self.theirs.until_ready().await);
        let (ours, theirs) = (said(&ours), said(&theirs));
        (ours != theirs).then(|| {
            format!("{text}\n  {}\n  PostgreSQL:\n  {}", ours.join("\n  "), theirs.join("\n  "))
        })
    }
}

#[test]
fn cursors_give_what_postgresql_gives() {
    harness::run(async {
        let text = case("clients/cursors.sql");
        let (mut wrong, mut asked) = (Vec::new(), 0);
        for paragraph in text.split("\n\n") {
            let mut both = Both::new().await;
            for sql in paragraph.lines().filter(|line| !line.starts_with("--")) {
                wrong.extend(both.same(sql, &message(b'Q', &zero(sql))).await);
                asked += 1;
            }
        }
        assert!(asked > 90, "{asked}");
        assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn copies_give_what_postgresql_gives() {
    harness::run(async {
        let text = case("clients/copies.sql");
        let mut both = Both::new().await;
        let (mut wrong, mut asked) = (Vec::new(), 0);
        for statement in text.split("\nCOPY ").skip(1) {
            let sql = format!("COPY {}", statement.trim_end());
            wrong.extend(both.same(&sql, &message(b'Q', &zero(&sql))).await);
            // And by the extended protocol.
            if !sql.contains(';') || sql.contains("';'") {
                let bytes = [parse("", &sql), bind("", "", &[]), execute("", 0), sync()].concat();
                wrong.extend(both.same(&format!("extended: {sql}"), &bytes).await);
            }
            asked += 1;
        }
        assert!(asked > 25, "{asked}");
        assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    });
}
