//! `fuzz_trials::mapping_config` says what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_trials::mapping_config::run(input));
