//! A gateway as its own process, so that its CPU and memory are its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tollgate_identity::{UserStore, Verifier};

use crate::Result;
use crate::client::Client;

/// The policy bundle: a tenant's rows, one masked column.
pub(crate) const POLICIES: &str = "CREATE ROLE analyst;
GRANT ROLE analyst TO USER 'ana';
CREATE ROLE admin;
GRANT ROLE admin TO USER 'root';
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO ROLE analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA bench TO ROLE admin;
CREATE ROW POLICY tenant ON bench.events AS RESTRICTIVE TO ROLE analyst
  USING (code >= 0 AND tenant < 50);
CREATE MASKING POLICY m_name ON bench.events (name) USING (mask_partial(value, 4)) EXCEPT ROLE admin;
";

/// A running gateway; dropping it ends it.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
}

/// The users of the benchmark, with the password `demo`.
pub(crate) fn users() -> Result<String> {
    let mut store = UserStore::parse("").map_err(|_| "an empty user file must parse")?;
    for user in ["ana", "root"] {
        let verifier = Verifier::from_password("demo", 4096, b"bench salt bench")?;
        store = store.with_user(user, verifier, Default::default());
    }
    Ok(store.to_toml())
}

impl Server {
    /// Starts the `tollgate` binary that was built beside this one.
    pub(crate) fn start(folder: &Path, policies: &str) -> Result<Self> {
        Self::start_with(folder, policies, "")
    }

    /// The same with more sections in its configuration.
    pub(crate) fn start_with(folder: &Path, policies: &str, more: &str) -> Result<Self> {
        Self::start_over(folder, "data = \"data\"", policies, more)
    }

    /// The same over another warehouse.
    pub(crate) fn start_over(
        folder: &Path,
        warehouse: &str,
        policies: &str,
        more: &str,
    ) -> Result<Self> {
        let binary: PathBuf = std::env::current_exe()?.with_file_name("tollgate");
        if !binary.exists() {
            return Err("the tollgate binary is missing, use cargo xtask bench overhead".into());
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        std::fs::create_dir_all(folder.join("policies"))?;
        std::fs::write(folder.join("policies/bench.sql"), policies)?;
        std::fs::write(folder.join("users.toml"), users()?)?;
        std::fs::write(
            folder.join("tollgate.toml"),
            format!(
                "[pg]\nlisten = \"{address}\"\ntls = \"optional\"\n[users]\nfile = \"users.toml\"\n\
                 [policies]\nfolder = \"policies\"\n[warehouse]\n{warehouse}\n\
                 [audit]\nfile = \"audit.jsonl\"\n{more}"
            ),
        )?;
        let mut child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(folder.join("tollgate.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let started = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            if child.try_wait()?.is_some() || started.elapsed() > Duration::from_secs(30) {
                let text = child.stderr.take().map(BufReader::new).into_iter();
                let lines: Vec<String> =
                    text.flat_map(|text| text.lines().map_while(std::result::Result::ok)).collect();
                return Err(format!("the gateway doesn't start: {}", lines.join("\n")).into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // Nobody reads the log any more; a full pipe would stop the gateway.
        if let Some(log) = child.stderr.take() {
            std::thread::spawn(move || {
                std::io::copy(&mut BufReader::new(log), &mut std::io::sink())
            });
        }
        Ok(Self { child, address })
    }

    pub(crate) fn connect(&self, user: &str) -> Result<Client> {
        Client::connect(&self.address, user, "demo", "tollgate")
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time so far, user and system, all threads.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu(self.child.id())
    }

    /// Forgets the highest resident memory so far (proc(5), `clear_refs`).
    pub(crate) fn reset_peak(&self) -> Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }

    /// Resident memory now and at its highest, in KiB.
    pub(crate) fn memory(&self) -> Result<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| {
                    line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse().ok()
                })
                .ok_or("no such field in the process status")
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of a process, from `/proc/<pid>/stat` (proc(5), fields 14 and 15, in ticks of 10 ms).
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit(')').next().ok_or("a malformed process status")?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap_or(0))
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}
