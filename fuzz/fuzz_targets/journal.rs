//! Fuzzes `convscope_fuzz::journal`.
#![no_main]
#![allow(unsafe_code, missing_docs)]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| convscope_fuzz::journal(bytes));
