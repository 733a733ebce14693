//! Fuzzes `artos_fuzz::sled_task`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| artos_fuzz::sled_task(bytes));
