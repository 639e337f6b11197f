//! The demo as somebody pastes it: its commands, run as they are printed, show what they promise.

use std::net::SocketAddr;

use tokio::process::Command;
use tollgate_proxy::{demo, serve};

use crate::harness::{self, python};

/// Runs a text in a shell; what it printed, and its complaints.
async fn shell(text: &str) -> (String, String) {
    let output = Command::new("sh").args(["-c", text]).kill_on_drop(true).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

/// The rows of psql's table: tenant, count, an address.
async fn rows(command: &str) -> Vec<[String; 3]> {
    let (out, errors) = shell(command).await;
    assert_eq!(errors, "", "{command}");
    let lines = out.lines().skip(2).take_while(|line| line.contains('|'));
    let rows = lines.map(|line| {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
        <[String; 3]>::try_from(cells).unwrap()
    });
    rows.collect()
}

#[test]
fn the_printed_commands_do_what_is_printed() {
    harness::run(async {
        let temp = tempfile::tempdir().unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let folder = Some(temp.path().join("demo"));
        let options = demo::Options { pg: any, flight: any, admin: any, data: folder };
        let demo::Demo { loaded, instructions } = demo::prepare(&options).unwrap();
        let server = serve::start(loaded).await.unwrap();
        let text = instructions.at(&server);
        let lines: Vec<&str> = text.lines().collect();
        // Each command, with the comment above it.
        let commands: Vec<(&str, &str)> = lines
            .windows(2)
            .filter(|pair| pair[1].starts_with("PGPASSWORD="))
            .map(|pair| (pair[0], pair[1]))
            .collect();
        let [ana, bob, lee, paula, root, (_, visits), (promised, denied)] = commands.as_slice()
        else {
            panic!("{text}")
        };

        let mut seen = Vec::new();
        for ((comment, command), who, masked) in [
            (ana, "# ana", true),
            (bob, "# bob", true),
            (lee, "# lee", false),
            (paula, "# paula", true),
            (root, "# root", false),
        ] {
            assert!(comment.starts_with(who), "{comment}");
            let rows = rows(command).await;
            let found: Vec<_> = rows.iter().map(|row| row[0].clone()).collect();
            for [_, count, email] in &rows {
                assert!(count.parse::<u64>().unwrap() > 0, "{command}");
                assert_eq!(email.contains("***@"), masked, "{email} by {command}");
            }
            assert!(!seen.contains(&found), "{found:?} is what another user saw");
            seen.push(found);
        }
        assert_eq!(seen[0], ["acme"]);
        assert_eq!(seen[1], ["globex"]);
        assert_eq!(seen[2], ["acme", "globex", "initech"]);
        assert_eq!(seen[4].len(), 8, "{seen:?}");
        assert!(!seen[3].is_empty() && seen[3].iter().all(|tenant| seen[4].contains(tenant)));

        let visits = rows(visits).await;
        assert_eq!(visits.len(), 4, "{visits:?}");
        for [_, count, average] in &visits {
            assert!(count.parse::<u64>().unwrap() > 100, "{visits:?}");
            assert!(average.parse::<f64>().unwrap() > 40.0, "{visits:?}");
        }
        let (out, errors) = shell(denied).await;
        assert_eq!(out, "");
        assert_eq!(errors.lines().next(), promised.strip_prefix("# "), "{errors}");

        // The script as pasted, in an environment that has what the line above it installs.
        let begin = lines.iter().position(|line| line.ends_with("<<'END'")).unwrap();
        let end = begin + lines[begin..].iter().position(|line| *line == "END").unwrap();
        let install = lines[begin - 2];
        let made = "/tmp/tollgate-adbc/bin/python";
        assert!(install.contains("/tmp/tollgate-adbc/bin/pip install -q"), "{install}");
        let interpreter = python::interpreter().display().to_string();
        let script = lines[begin..=end].join("\n");
        assert!(script.starts_with(made), "{script}");
        let (out, errors) = shell(&script.replacen(made, &interpreter, 1)).await;
        assert_eq!(errors, "", "{script}");
        assert!(out.contains("tenant_id: string") && out.contains("[[\"acme\"]]"), "{out}");
        let last = out.lines().last().unwrap();
        assert!(last.starts_with("[(1, '") && last.contains("***@"), "{last}");
        assert!(!out.contains("globex"), "{out}");
        server.stop().await;
    });
}
