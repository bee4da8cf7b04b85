//! `fuzz_trials::sources_file` says what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_trials::sources_file::run(input));
