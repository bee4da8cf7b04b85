//! A compressed input that is kept while it is decoded, so that it can go to quarantine as it came if it is damaged.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sources::Compression;

/// The most bytes of an input that are kept in memory. Longer compressed logs are rare: this much expands to several
/// hundred megabytes.
const MOST: usize = 32 << 20;

/// The fewest. A decoder has read further than what it gives: its buffers, a block that is not complete, and both of these
/// twice where it was compressed twice. None of that may be lost.
const LEAST: usize = 1 << 20;

/// Bytes read at a time of what is not decoded.
const CHUNK: usize = 64 << 10;

/// Reads an input, and keeps the last bytes that were read if it is compressed. A plain input is not kept: all of its
/// bytes come out in items.
pub(crate) struct Kept<R> {
    input: R,
    bytes: VecDeque<u8>,
    bound: usize,
    /// How many of the first [`Compression::LOOK`] bytes were read: until then it is open whether the input is plain.
    looked: usize,
    dropped: Dropped,
}

/// How many bytes of an input are not kept any more. Can be asked while the input is lent to a decoder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dropped(Arc<AtomicU64>);

/// How much of an input is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All that was read of a compressed input.
    All,
    /// What was read of a compressed input from this byte on.
    From(u64),
    /// Nothing, since it is plain.
    Nothing,
}

impl Dropped {
    const PLAIN: u64 = u64::MAX;

    /// How much is kept.
    pub(crate) fn extent(&self) -> Extent {
        match self.0.load(Ordering::Relaxed) {
            0 => Extent::All,
            Self::PLAIN => Extent::Nothing,
            bytes => Extent::From(bytes),
        }
    }

    fn is_plain(&self) -> bool {
        self.extent() == Extent::Nothing
    }
}

impl<R: Read> Kept<R> {
    /// Keeps as much as `memory` says, but at least 1 MiB and at most 32 MiB.
    pub(crate) fn new(input: R, memory: usize) -> Self {
        Self::with_bound(input, memory.clamp(LEAST, MOST))
    }

    fn with_bound(input: R, bound: usize) -> Self {
        Self { input, bytes: VecDeque::new(), bound, looked: 0, dropped: Dropped::default() }
    }

    /// How much is kept, now and later.
    pub(crate) fn dropped(&self) -> Dropped {
        self.dropped.clone()
    }

    /// The next bytes of what is kept and of what follows it in the input, and whether they are the last.
    ///
    /// # Errors
    /// Those of the input.
    pub(crate) fn next_piece(&mut self) -> io::Result<(Vec<u8>, bool)> {
        let mut chunk = vec![0; CHUNK];
        let mut is_last = false;
        while self.bytes.len() <= self.bound && !is_last {
            let count = self.read_input(&mut chunk)?;
            self.bytes.extend(chunk.iter().take(count));
            is_last = count == 0;
        }
        let length = self.bytes.len().min(self.bound);
        Ok((self.bytes.drain(..length).collect(), is_last))
    }

    fn read_input(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.input.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        if self.looked < Compression::LOOK {
            self.looked = self.bytes.len();
            if self.looked >= Compression::LOOK && Compression::of(self.bytes.make_contiguous()).is_none() {
                self.bytes = VecDeque::new();
                self.dropped.0.store(Dropped::PLAIN, Ordering::Relaxed);
                return;
            }
        }
        let excess = self.bytes.len().saturating_sub(self.bound);
        if excess > 0 {
            self.bytes.drain(..excess);
            self.dropped.0.fetch_add(excess as u64, Ordering::Relaxed);
        }
    }
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_input(buffer)?;
        if !self.dropped.is_plain() {
            self.keep(buffer.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(start: &[u8], length: usize) -> Vec<u8> {
        let mut input: Vec<u8> = (0..length).map(|n| (n * 7 % 251) as u8).collect();
        input[..start.len()].copy_from_slice(start);
        input
    }

    fn read(kept: &mut Kept<&[u8]>, mut count: usize) {
        let mut buffer = [0; 300];
        while count > 0 {
            let length = count.min(300);
            count -= kept.read(&mut buffer[..length]).unwrap();
        }
    }

    fn pieces(mut kept: Kept<&[u8]>) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        loop {
            let (piece, is_last) = kept.next_piece().unwrap();
            pieces.push(piece);
            if is_last {
                return pieces;
            }
        }
    }

    const GZIP: &[u8] = b"\x1f\x8b\x08";

    #[test]
    fn what_was_read_and_what_was_not_are_one() {
        let input = input(GZIP, 200_000);
        for count in [0, 2, 5_000, 200_000] {
            let mut kept = Kept::new(&input[..], 1 << 20);
            read(&mut kept, count);
            assert_eq!(kept.dropped().extent(), Extent::All);
            assert!(pieces(kept) == [&input[..]], "{count}");
        }
    }

    #[test]
    fn of_a_long_input_the_last_bytes_are_kept_and_come_in_pieces() {
        let input = input(GZIP, 20_000);
        let mut kept = Kept::with_bound(&input[..], 6_000);
        read(&mut kept, 11_000);
        assert_eq!(kept.dropped().extent(), Extent::From(5_000));
        assert!(pieces(kept) == [&input[5_000..11_000], &input[11_000..17_000], &input[17_000..]]);
        assert!(pieces(Kept::with_bound(&input[..6_000], 6_000)) == [&input[..6_000]]);
    }

    #[test]
    fn a_plain_input_is_not_kept() {
        let input = input(b"\x1f\x8bplain text", 20_000);
        let mut kept = Kept::with_bound(&input[..], 6_000);
        read(&mut kept, 12_000);
        assert_eq!((kept.dropped().extent(), kept.bytes.capacity()), (Extent::Nothing, 0));
    }
}
