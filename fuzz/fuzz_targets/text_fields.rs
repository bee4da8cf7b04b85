//! `fuzz_trials::text_fields` says what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_trials::text_fields::run(input));
