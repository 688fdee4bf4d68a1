//! One module per command.

pub(crate) mod anchor;
pub(crate) mod bundle;
pub(crate) mod chain;
pub(crate) mod identify;
pub(crate) mod key;
pub(crate) mod log;
pub(crate) mod pages;
pub(crate) mod release;
pub(crate) mod statement;
pub(crate) mod time;
pub(crate) mod tpm;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod witness;
