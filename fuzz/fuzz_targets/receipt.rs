//! Receipts in both forms: COSE (RFC 9942, other people's too) and `.tlog-proof`.

#![no_main]

use firmlog_verify::receipt::Receipt;
use firmlog_verify::receipt::cose::CoseReceipt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(receipt) = Receipt::parse(bytes) {
        assert_eq!(receipt.encode().as_bytes(), bytes);
    }
    drop(CoseReceipt::parse(bytes));
});
