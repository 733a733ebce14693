//! Fuzzes `artos_fuzz::http`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| artos_fuzz::http(bytes));
