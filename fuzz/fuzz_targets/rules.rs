//! Fuzzes `artos_fuzz::rules`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| artos_fuzz::rules(bytes));
