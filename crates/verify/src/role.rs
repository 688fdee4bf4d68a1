//! Which role may sign which kind of statement.
//!
//! | kind | signed by |
//! |---|---|
//! | Trust | admin; entry 0 is the genesis, signed by the first admin it names |
//! | Release | manufacturer; an admin the steps that withdraw one |
//! | Approval | approver |
//! | Authorisation | authoriser |
//! | Update | device, about itself |
//! | Annotation | admin, manufacturer, approver, authoriser, auditor |
//! | Audit | log, admin, auditor |

use firmlog_statement::{Kind, Parsed, Role};

use crate::standing::{event_of, hash, withdraws};

/// Whether a key of this role may sign this statement. For whom it speaks is for `standing`.
pub(crate) fn may_sign(role: Role, parsed: &Parsed<'_>) -> bool {
    use Role::{Admin, Approver, Auditor, Authoriser, Device, Log, Manufacturer};
    match parsed.kind() {
        Kind::Trust => matches!(role, Admin),
        Kind::Release => {
            let withdraws = || event_of(parsed).is_some_and(withdraws);
            role == Manufacturer || role == Admin && hash(parsed, 13).is_some() && withdraws()
        }
        Kind::Approval => matches!(role, Approver),
        Kind::Authorisation => matches!(role, Authoriser),
        Kind::Update => matches!(role, Device),
        Kind::Annotation => {
            matches!(role, Admin | Manufacturer | Approver | Authoriser | Auditor)
        }
        Kind::Audit => matches!(role, Log | Admin | Auditor),
    }
}
