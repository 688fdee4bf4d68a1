//! Which role may sign which kind of statement.
//!
//! | kind | signed by |
//! |---|---|
//! | Trust | admin; entry 0 is the genesis, signed by the first admin it names |
//! | Release | manufacturer |
//! | Approval | approver, and not with the key that signed the release |
//! | Authorisation | authoriser |
//! | Update | device, about itself |
//! | Annotation | admin, manufacturer, approver, authoriser, auditor |
//! | Audit | log, admin, auditor |

use firmlog_statement::{Kind, Role};

/// Whether a key of this role may sign a statement of this kind.
pub(crate) const fn may_sign(role: Role, kind: Kind) -> bool {
    use Role::{Admin, Approver, Auditor, Authoriser, Device, Log, Manufacturer};
    match kind {
        Kind::Trust => matches!(role, Admin),
        Kind::Release => matches!(role, Manufacturer),
        Kind::Approval => matches!(role, Approver),
        Kind::Authorisation => matches!(role, Authoriser),
        Kind::Update => matches!(role, Device),
        Kind::Annotation => {
            matches!(role, Admin | Manufacturer | Approver | Authoriser | Auditor)
        }
        Kind::Audit => matches!(role, Log | Admin | Auditor),
    }
}
