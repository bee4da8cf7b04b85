//! `fuzz_trials::stix_data` says what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_trials::stix_data::run(input));
