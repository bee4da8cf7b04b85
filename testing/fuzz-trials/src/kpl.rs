//! Aggregated Kinesis records. The MD5 digest is added here, because the fuzzer cannot guess it.

use md5::{Digest, Md5};
use sources::kpl::{MAGIC, deaggregate};

/// Runs one input.
pub fn run(message: &[u8]) {
    let _ = deaggregate(message);
    let sealed = [&MAGIC[..], message, &Md5::digest(message)].concat();
    if let Ok(records) = deaggregate(&sealed) {
        let length: usize = records.iter().map(|record| record.data.len()).sum();
        assert!(length <= message.len());
        assert!(records.iter().enumerate().all(|(place, record)| record.index == place));
    }
}
