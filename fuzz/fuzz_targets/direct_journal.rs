//! The journal of direct mode: what is read is written the same, and what is in it is judged
//! without a panic.

#![no_main]

use firmlog_anchor::direct::client::Wanted;
use firmlog_anchor::direct::contract::device_key;
use firmlog_anchor::direct::record::{Logged, Record};
use firmlog_anchor::journal::State;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(state) = serde_json::from_str::<State<Wanted, Logged>>(text) {
        let written = serde_json::to_string(&state).expect("writes");
        assert_eq!(serde_json::from_str::<State<Wanted, Logged>>(&written).expect("reads"), state);
        if let Some(wanted) = &state.target {
            assert!(wanted.update.check().is_err() || wanted.update.device.len() <= 64);
            assert!(wanted.update.is_met_by(&wanted.update));
        }
        assert!(!state.stage().is_empty());
    }
    if let Ok(record) = serde_json::from_str::<Record>(text) {
        let hash = |number| record.hash(record.previous, device_key("a"), number);
        assert!(hash(1).is_none() || hash(1) != hash(2));
    }
});
