//! Entry 0 of the logs that are made here.

use anyhow::Context;
use firmlog_keys::FileKey;
use firmlog_statement::{
    Enrol, Extra, Genesis, Registration, Role, Signer, Statement, Trust, TrustAction,
    sign_statement,
};
use firmlog_tlog::note::VerifierKey;

/// Issuer name of the administrator.
pub const ADMIN: &str = "acme.example/admins";

/// The genesis of `origin`, signed by the administrator it names.
///
/// # Errors
/// If the statement cannot be signed.
pub fn genesis(
    origin: &str,
    log_key: &VerifierKey,
    registration: Registration,
    admin: &FileKey,
) -> anyhow::Result<Vec<u8>> {
    let genesis = Genesis {
        origin: origin.into(),
        log_keys: vec![log_key.to_string()],
        registration,
        approvals: 0,
        keys: vec![enrolment(admin)],
        policy: None,
    };
    let trust = Trust {
        time: None,
        commitments: Default::default(),
        action: TrustAction::Genesis(genesis),
        extra: Extra::default(),
    };
    sign_statement(&Statement::Trust(trust), ADMIN, origin, admin)
        .context("failed to sign a genesis")
}

fn enrolment(admin: &FileKey) -> Enrol {
    Enrol {
        key: admin.public_key(),
        issuer: ADMIN.into(),
        role: Role::Admin,
        chain_seed: None,
        model: None,
        manufacturer: None,
        hw_rev: None,
        udi_di: None,
        attestation: None,
        training: None,
        issuers: vec![],
    }
}
