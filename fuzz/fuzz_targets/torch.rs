//! Fuzzes `convscope_fuzz::torch`.
#![no_main]
#![allow(unsafe_code, missing_docs)]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| convscope_fuzz::torch(bytes));
