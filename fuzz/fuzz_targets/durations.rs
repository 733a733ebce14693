//! Fuzzes `artos_fuzz::durations`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| artos_fuzz::durations(bytes));
