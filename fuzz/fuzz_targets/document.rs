//! `fuzz_trials::document` says what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_trials::document::run(input));
