//! Fuzzes `artos_fuzz::sled_value`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| artos_fuzz::sled_value(bytes));
