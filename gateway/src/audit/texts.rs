//! Which long texts have been written.

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use tollgate_ledger::TEXT_MEMORY;

/// Long texts that are remembered as written.
const TEXTS: usize = 16 * 1024;

/// The long texts that were written last, by hash. After [`TEXT_MEMORY`] each is written again: retention
/// deletes old texts, and what is younger must not refer to them.
#[derive(Default)]
pub(super) struct Texts {
    written: HashSet<[u8; 32]>,
    order: VecDeque<([u8; 32], Instant)>,
}

impl Texts {
    /// Whether a text has to be written; from then on it is.
    pub(super) fn is_new(&mut self, hash: [u8; 32], now: Instant) -> bool {
        while let Some((oldest, written)) = self.order.front()
            && (self.order.len() > TEXTS || now.duration_since(*written) >= TEXT_MEMORY)
        {
            self.written.remove(oldest);
            self.order.pop_front();
        }
        let is_new = self.written.insert(hash);
        if is_new {
            self.order.push_back((hash, now));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tollgate_ledger::TEXT_MEMORY;

    use super::{TEXTS, Texts};

    #[test]
    fn a_text_is_written_again_when_retention_may_have_deleted_it() {
        let (mut texts, now) = (Texts::default(), Instant::now());
        let hash = [1; 32];
        let late = now + TEXT_MEMORY;
        assert!(texts.is_new(hash, now));
        assert!(!texts.is_new(hash, late.checked_sub(Duration::from_secs(1)).unwrap_or(now)));
        assert!(texts.is_new(hash, late));
        assert!(!texts.is_new(hash, late));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut texts, now) = (Texts::default(), Instant::now());
        for number in 0..=TEXTS + 1 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            assert!(texts.is_new(hash, now));
        }
        assert!(texts.is_new([0; 32], now));
        assert!(texts.order.len() <= TEXTS + 1 && texts.written.len() == texts.order.len());
    }
}
