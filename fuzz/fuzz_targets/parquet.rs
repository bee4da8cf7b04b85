//! `fuzz_trials::parquet` says what must hold.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: {
    // libFuzzer would end at a panic that the callers of the Parquet crate catch; it still sees one that nobody catches.
    std::panic::set_hook(Box::new(|_| {}));
}, |input: &[u8]| fuzz_trials::parquet::run(input));
