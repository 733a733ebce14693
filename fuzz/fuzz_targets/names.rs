//! Fuzzes `artos_fuzz::names`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| artos_fuzz::names(bytes));
