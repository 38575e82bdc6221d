#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gatepost_fuzz::targets::request(data));
