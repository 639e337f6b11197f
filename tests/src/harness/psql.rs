//! A psql that stays connected.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A session that has answered once.
pub struct Psql {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Psql {
    /// Connects; the password may be empty.
    pub async fn start(dsn: &str, password: &str) -> Psql {
        let mut command = Command::new("psql");
        command.args(["-X", "-A", "-t", "-w"]).arg(dsn).env("PGPASSWORD", password);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = pipes.kill_on_drop(true).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut session = Psql { child, input, output };
        assert_eq!(session.ask("'hello'").await, "hello");
        session
    }

    /// The value of an expression; nothing if the session has ended. If the statement is refused, as one that
    /// runs when access is revoked, the mark that comes after it.
    pub async fn ask(&mut self, expression: &str) -> String {
        let sent = format!("SELECT {expression};\n\\echo {MARK}\n");
        if self.input.write_all(sent.as_bytes()).await.is_err() {
            return String::new();
        }
        let mut value = String::new();
        self.output.read_line(&mut value).await.unwrap();
        let mut mark = String::new();
        if !value.is_empty() && value.trim() != MARK {
            self.output.read_line(&mut mark).await.unwrap();
        }
        if value.is_empty() {
            self.child.wait().await.unwrap();
        }
        value.trim().to_owned()
    }
}

/// What psql says after each statement, however that ended.
const MARK: &str = "done";
