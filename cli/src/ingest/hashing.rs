//! Derives object names from the content of the input.

use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, Mutex, PoisonError};

use pipeline::Naming;

use super::progress::Progress;

/// The BLAKE3 hash of a whole input.
pub(super) type Digest = [u8; 32];

/// Reads an input and hashes what has been read.
///
/// Every read but the last fills its buffer completely. Otherwise, the chunks that a pipe's writer happens to write
/// would affect how far the input has been read when a batch is full, and so the names of objects.
pub(super) struct HashingReader<R> {
    input: R,
    hasher: Arc<Mutex<blake3::Hasher>>,
    progress: Progress,
}

/// Names objects after the bytes of the input that have been read when they are sealed.
pub(super) struct ContentNaming {
    hasher: Arc<Mutex<blake3::Hasher>>,
    progress: Progress,
}

impl<R: Read> HashingReader<R> {
    /// The reader, and the names that follow from what it has read.
    pub(super) fn new(input: R, progress: Progress) -> (Self, ContentNaming) {
        let hasher = Arc::new(Mutex::new(blake3::Hasher::new()));
        let naming = ContentNaming { hasher: Arc::clone(&hasher), progress: progress.clone() };
        (Self { input, hasher, progress }, naming)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The whole input has failed; the bytes of this read no longer matter.
                Err(error) => return Err(error),
            }
        }
        self.hasher.lock().unwrap_or_else(PoisonError::into_inner).update(&buffer[..filled]);
        self.progress.read(filled as u64);
        Ok(filled)
    }
}

impl ContentNaming {
    /// The hash of everything read so far.
    pub(super) fn digest(&self) -> Digest {
        *self.hasher.lock().unwrap_or_else(PoisonError::into_inner).finalize().as_bytes()
    }

    /// How many bytes have been read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.hasher.lock().unwrap_or_else(PoisonError::into_inner).count()
    }
}

impl Naming for ContentNaming {
    /// The same for every input: the name of a file says nothing about its content, and may change.
    fn label(&self) -> &str {
        "ingest"
    }

    /// Asked for when a batch is sealed, so this is where reading stops and writing begins.
    fn identity(&self) -> Vec<String> {
        self.progress.write();
        vec![self.digest().iter().map(|byte| format!("{byte:02x}")).collect()]
    }
}

/// The hash and the length of the whole input.
///
/// # Errors
/// It cannot be read.
pub(super) fn digest_of(mut input: impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(&mut input)?;
    Ok((*hasher.finalize().as_bytes(), hasher.count()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{ColourChoice, Output};

    /// Gives its bytes in pieces of the given sizes, in turn, with interruptions.
    struct Pieces<'b>(&'b [u8], Vec<usize>, usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.2 += 1;
            if self.2.is_multiple_of(3) {
                return Err(ErrorKind::Interrupted.into());
            }
            let size = self.1[self.2 % self.1.len()].min(buffer.len()).min(self.0.len());
            buffer[..size].copy_from_slice(&self.0[..size]);
            self.0 = &self.0[size..];
            Ok(size)
        }
    }

    #[test]
    fn reads_do_not_depend_on_how_the_input_comes() {
        let content: Vec<u8> = (0..100_000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let read = |sizes: Vec<usize>| {
            let output = Output::new(ColourChoice::Never, true);
            let (mut reader, naming) = HashingReader::new(Pieces(&content, sizes, 0), Progress::new(&output, 1, None));
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let read = reader.read(&mut buffer).unwrap();
                seen.push((read, naming.identity()));
                if read == 0 {
                    return (seen, naming.digest());
                }
            }
        };
        let expected = read(vec![1 << 20]);
        assert_eq!(expected.1, *blake3::hash(&content).as_bytes());
        for sizes in [vec![1], vec![3, 5000, 17], vec![4095, 1]] {
            assert_eq!(read(sizes), expected);
        }
    }
}
