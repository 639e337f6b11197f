//! Notices that the files of users, policies and keys have changed, without being told.
//!
//! It looks at lengths, times and inodes at intervals instead of asking the kernel for events: that
//! works on network folders and where an orchestrator swaps symbolic links.

#[cfg(test)]
mod tests;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tollgate_gateway::config::{Config, Tokens};

/// What a file looked like: its path, inode, length, and time of change in seconds and nanoseconds.
type Look = (PathBuf, u64, u64, i64, i64);

/// The files whose change asks for a reload.
pub(crate) struct Watch {
    every: Option<Duration>,
    files: Vec<PathBuf>,
    folder: PathBuf,
    /// The state that was loaded, or refused.
    known: Vec<Look>,
    /// The state at the last look.
    seen: Vec<Look>,
}

impl Watch {
    /// Starts from how the files are now. Called before they are read, so that no change is missed.
    pub(crate) fn new(path: &Path, config: &Config) -> Self {
        let mut watch = Self {
            every: config.watch,
            files: [path, config.users.as_path()]
                .into_iter()
                .chain(config.tokens.as_ref().and_then(Tokens::file))
                .chain(config.flight.as_ref().and_then(|flight| flight.key_file.as_deref()))
                .chain(config.clients.iter().flat_map(|clients| {
                    std::iter::once(clients.ca.as_path()).chain(clients.crl.as_deref())
                }))
                .map(Path::to_owned)
                .collect(),
            folder: config.policies.clone(),
            known: Vec::new(),
            seen: Vec::new(),
        };
        watch.known = watch.look();
        watch.seen = watch.known.clone();
        watch
    }

    /// Returns when the files are others than before, and have been the same at two looks: an editor
    /// may write in several steps, and half a file may be a valid one that grants more.
    ///
    /// May be dropped and called again.
    pub(crate) async fn changed(&mut self) {
        let Some(every) = self.every else { return std::future::pending().await };
        loop {
            tokio::time::sleep(every).await;
            if tokio::task::block_in_place(|| self.settled()) {
                return;
            }
        }
    }

    /// One look: whether there is a change that has settled.
    fn settled(&mut self) -> bool {
        let now = self.look();
        let before = std::mem::replace(&mut self.seen, now);
        if self.seen == self.known || self.seen != before {
            return false;
        }
        self.known = self.seen.clone();
        true
    }

    /// What can't be read isn't in it, which is a change too.
    fn look(&self) -> Vec<Look> {
        let mut looks: Vec<Look> = self.files.iter().filter_map(|file| look(file)).collect();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "sql") {
                    looks.extend(look(&path));
                }
            }
        }
        looks.sort();
        looks
    }
}

fn look(path: &Path) -> Option<Look> {
    let data = fs::metadata(path).ok()?;
    Some((path.to_owned(), data.ino(), data.len(), data.mtime(), data.mtime_nsec()))
}
