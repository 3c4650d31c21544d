//! Fuzzes `convscope_fuzz::keras`.
#![no_main]
#![allow(unsafe_code, missing_docs)]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| convscope_fuzz::keras(bytes));
