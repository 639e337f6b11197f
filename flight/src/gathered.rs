//! Bytes that lie in several places and go out as one.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::room::Permits;

/// The most bytes that are handed to HTTP/2 at once: a multiple of its frames, so that only the last of a message
/// is shorter than it could be. Each frame costs both sides as much as many bytes.
const PART: usize = 32 * 16 * 1024;

/// Pieces of memory, one after the other, each shared and given back once it was sent.
#[derive(Default)]
pub(crate) struct Gathered {
    /// None is empty.
    pieces: VecDeque<Bytes>,
    length: usize,
    /// What it holds of a room until all of it was sent.
    pub(crate) room: Permits,
}

impl Gathered {
    /// Appends a piece.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// The same bytes in parts that are sent one by one.
    pub(crate) fn parts(mut self) -> Vec<Gathered> {
        let mut parts = Vec::with_capacity(self.length.div_ceil(PART));
        while self.length > PART {
            parts.push(self.split_to(PART));
        }
        parts.push(self);
        parts
    }

    /// Takes the first bytes off.
    fn split_to(&mut self, length: usize) -> Gathered {
        let mut taken = Gathered::default();
        while taken.length < length
            && let Some(mut piece) = self.pieces.pop_front()
        {
            self.length -= piece.len();
            let wanted = piece.len().min(length - taken.length);
            taken.push(piece.split_to(wanted));
            if !piece.is_empty() {
                self.length += piece.len();
                self.pieces.push_front(piece);
            }
        }
        taken
    }
}

impl From<Bytes> for Gathered {
    fn from(piece: Bytes) -> Self {
        let mut gathered = Self::default();
        gathered.push(piece);
        gathered
    }
}

impl Buf for Gathered {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], Bytes::as_ref)
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let slices = into.iter_mut().zip(&self.pieces);
        slices.map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.length, "no bytes to skip");
        self.length -= count;
        let mut left = count;
        while let Some(piece) = self.pieces.front_mut() {
            if left < piece.len() {
                piece.advance(left);
                return;
            }
            left -= piece.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gathered(pieces: &[Vec<u8>]) -> Gathered {
        let mut gathered = Gathered::default();
        pieces.iter().for_each(|piece| gathered.push(Bytes::from(piece.clone())));
        gathered
    }

    proptest! {
        #[test]
        fn it_reads_as_one(pieces: Vec<Vec<u8>>, at: usize, step in 1_usize..9) {
            let whole = pieces.concat();
            let mut rest = gathered(&pieces);
            let at = at % (whole.len() + 1);
            let mut first = rest.split_to(at);
            let mut read: Vec<u8> = Vec::new();
            for part in [&mut first, &mut rest] {
                while part.has_remaining() {
                    let mut slices = [IoSlice::new(&[]); 2];
                    let count = part.chunks_vectored(&mut slices);
                    prop_assert!(count > 0);
                    let seen: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
                    prop_assert!(seen.starts_with(part.chunk()));
                    let step = step.min(seen.len());
                    read.extend(seen.iter().take(step));
                    part.advance(step);
                }
                prop_assert!(read.len() >= at, "the first part is too short");
            }
            prop_assert_eq!(read, whole);
        }
    }

    #[test]
    fn parts_are_whole_frames_but_for_the_last() {
        let pieces: Vec<Vec<u8>> = (0..200_u8).map(|n| vec![n; 7 + 61 * usize::from(n)]).collect();
        let whole = pieces.concat();
        let parts = gathered(&pieces).parts();
        let (last, full) = parts.split_last().map_or((0, &[][..]), |(l, f)| (l.remaining(), f));
        assert!(full.iter().all(|part| part.remaining() == PART) && (1..=PART).contains(&last));
        let read: Vec<u8> =
            parts.into_iter().flat_map(|mut part| part.copy_to_bytes(part.remaining())).collect();
        assert_eq!(read, whole);
        assert_eq!(Gathered::default().parts().len(), 1);
    }
}
