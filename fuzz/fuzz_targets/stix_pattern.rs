//! `fuzz_trials::stix_pattern` says what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_trials::stix_pattern::run(input));
