//! What can happen in the life of a release and of a device, and in which order.
//!
//! ```text
//! check → download_started → downloaded → signature_verified → install_started
//!       → installed → reboot → boot_ok → committed
//! ```
//!
//! The order is judged, not enforced: a statement out of order is still evidence, so
//! it is logged and a `sequence_violation` is found ([`Life::observe`]). Numbers are
//! on the wire and are never reused (`STM-040`).

codes! {
    /// A step in the life of a release, an authorisation or a device.
    pub enum EventType {
        1 ReleaseProposed "release_proposed" "Somebody proposes a release.",
        2 ReleaseVerified "release_verified" "Its verification is done.",
        3 ReleaseApproved "release_approved" "Approved, by e-signature.",
        4 ReleasePublished "release_published" "Offered to the field.",
        5 ReleaseSuspended "release_suspended" "Not to be installed for now.",
        6 ReleaseRecalled "release_recalled" "To be removed from the field.",
        7 ReleaseEndOfSupport "release_eos" "No longer supported.",
        20 CampaignCreated "campaign_created" "A campaign is set up.",
        21 UpdateAuthorised "update_authorised" "May be installed, by e-signature.",
        22 UpdateOffered "update_offered" "Offered to devices.",
        23 UpdateDeferred "update_deferred" "Put off for clinical use.",
        24 AuthorisationRevoked "authorisation_revoked" "May no longer be installed.",
        25 DowngradeAuthorised "downgrade_authorised" "A lower version may be installed.",
        40 Check "check" "Looked for an update.",
        41 DownloadStarted "download_started" "The image begins to arrive.",
        42 Downloaded "downloaded" "The image is complete on the device.",
        43 DownloadFailed "download_failed" "The image did not arrive whole.",
        44 SignatureVerified "signature_verified" "Release signature and policy hold.",
        45 VerificationFailed "verification_failed" "They do not.",
        46 InstallStarted "install_started" "Flash is about to be written.",
        47 Installed "installed" "Flash is written.",
        48 InstallFailed "install_failed" "Writing failed.",
        49 Reboot "reboot" "About to restart.",
        50 BootOk "boot_ok" "Restarted and measured.",
        51 BootFailed "boot_failed" "Did not come up.",
        52 Committed "committed" "The new firmware stays.",
        53 RollbackStarted "rollback_started" "Returning to the earlier firmware.",
        54 RolledBack "rolled_back" "The earlier firmware is back.",
        55 RollbackFailed "rollback_failed" "The return failed.",
        56 InstalledState "installed_state" "A heartbeat: what runs.",
        70 RefusedUnsigned "refused_unsigned" "Refused: no signature.",
        71 RefusedBadSignature "refused_bad_sig" "Refused: bad signature.",
        72 RefusedUnknownSigner "refused_unknown_signer" "Refused: unknown signer.",
        73 RefusedRevokedSigner "refused_revoked_signer" "Refused: revoked signer.",
        74 RefusedDowngrade "refused_downgrade" "Refused: lower version or counter.",
        75 RefusedWrongModel "refused_wrong_model" "Refused: not for this model.",
        76 RefusedNotAuthorised "refused_not_authorised" "Refused: nobody authorised it.",
        77 RefusedInUse "refused_in_use" "Refused: device in use.",
        78 RefusedLocalPolicy "refused_local_policy" "Refused: local policy.",
        79 RefusedExpired "refused_expired" "Refused: authorisation expired.",
        80 ReplayDetected "replay_detected" "Refused: seen before.",
        100 TamperDetected "tamper_detected" "Something was tampered with.",
        101 UnexpectedVersion "unexpected_version" "Runs what nobody announced.",
        102 LogGap "log_gap" "The journal has a gap.",
        103 LogWrap "log_wrap" "The journal overwrote its oldest.",
        104 LoggerStarted "logger_started" "Recording began.",
        105 LoggerStopped "logger_stopped" "Recording ends.",
        106 ClockStep "clock_step" "The clock jumped.",
        107 KeyProvisioned "key_provisioned" "A key was put in.",
        108 KeyRotated "key_rotated" "A key was replaced.",
        109 KeyRevoked "key_revoked" "A key was withdrawn.",
        110 DebugUnlocked "debug_unlocked" "Debug access was opened.",
        111 FactoryReset "factory_reset" "Reset to factory state.",
        112 ServiceMode "service_mode" "Service mode entered.",
        113 Decommissioned "decommissioned" "Taken out of use for good.",
    }
}

use crate::StatementError as E;
use EventType as T;

impl EventType {
    /// Steps of a release (1 to 19).
    pub fn of_release(self) -> bool {
        (1..20).contains(&self.code())
    }

    /// Steps of an authorisation (20 to 39).
    pub fn of_authorisation(self) -> bool {
        (20..40).contains(&self.code())
    }

    /// A release or an approval tells of a release (`STM-035`).
    pub(crate) fn check_of_release(&self) -> Result<(), E> {
        if self.of_release() { Ok(()) } else { Err(E::EventNotForKind) }
    }

    /// An authorisation tells of an authorisation (`STM-035`).
    pub(crate) fn check_of_authorisation(&self) -> Result<(), E> {
        if self.of_authorisation() { Ok(()) } else { Err(E::EventNotForKind) }
    }

    /// What a device reports (40 up, and `update_deferred`).
    pub fn of_device(self) -> bool {
        self.code() >= 40 || self == Self::UpdateDeferred
    }

    /// The device refused something (70 to 99).
    pub fn is_refusal(self) -> bool {
        (70..100).contains(&self.code())
    }

    /// The device will not install an image: a refusal, or a check that could not be made.
    pub fn turns_away(self) -> bool {
        self.is_refusal() || self == Self::VerificationFailed
    }

    /// Integrity and operation (100 up): may happen at any time.
    pub fn is_operational(self) -> bool {
        self.code() >= 100
    }

    /// What a device must record durably before it goes on, so must not be batched.
    pub fn is_urgent(self) -> bool {
        self.turns_away()
            || matches!(self, T::InstallStarted | T::Committed | T::InstallFailed | T::RolledBack)
            || matches!(self, T::RollbackFailed | T::TamperDetected | T::UnexpectedVersion)
    }
}

/// Where a device, release or authorisation stands, by the last step that moved it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Life(Option<EventType>);

/// A step that may not follow the one before: a finding, never a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceViolation {
    /// The last step that counted, none at the beginning.
    pub after: Option<EventType>,
    /// The step that may not follow it.
    pub found: EventType,
}

impl Life {
    /// Nothing has happened yet.
    pub const NEW: Self = Self(None);

    /// Resumes from the last step.
    pub fn after(last: Option<EventType>) -> Self {
        Self(last)
    }

    /// The last step that moved it.
    pub fn last(self) -> Option<EventType> {
        self.0
    }

    /// Whether `next` may follow.
    pub fn allows(self, next: EventType) -> bool {
        self.judge(next, follows)
    }

    /// As [`allows`](Self::allows), where only a device speaks: it carries no rules of others.
    pub fn allows_device(self, next: EventType) -> bool {
        next.of_device() && self.judge(next, device_follows)
    }

    fn judge(self, next: EventType, follows: fn(Option<EventType>, EventType) -> bool) -> bool {
        match self.0 {
            Some(T::Decommissioned) => false,
            _ if next.is_operational() => true,
            Some(last) if next.turns_away() => !writing(last),
            None if next.turns_away() => true,
            last => follows(last, next),
        }
    }

    /// Takes the step. Out of order it is taken all the same and reported.
    pub fn observe(&mut self, next: EventType) -> Result<(), SequenceViolation> {
        let judged = if self.allows(next) {
            Ok(())
        } else {
            Err(SequenceViolation { after: self.0, found: next })
        };
        self.take(next);
        judged
    }

    /// Takes a step that was judged.
    pub fn take(&mut self, next: EventType) {
        if moves(next) {
            self.0 = Some(next);
        }
    }
}

/// Between these, flash is half written or the new image not yet decided on.
fn writing(last: EventType) -> bool {
    matches!(last, T::InstallStarted | T::Installed | T::Reboot | T::RollbackStarted)
}

/// Heartbeats and most operational events leave a running update where it is.
fn moves(event: EventType) -> bool {
    !event.is_operational() && event != T::InstalledState
        || matches!(event, T::UnexpectedVersion | T::FactoryReset | T::Decommissioned)
}

/// The table of `docs/spec/statement.md`, "Order of events".
fn follows(last: Option<EventType>, next: EventType) -> bool {
    let Some(last) = last else {
        return matches!(next, T::ReleaseProposed | T::CampaignCreated | T::UpdateAuthorised)
            || next == T::DowngradeAuthorised
            || device_follows(None, next);
    };
    match last {
        T::ReleaseProposed => next == T::ReleaseVerified,
        T::ReleaseVerified => next == T::ReleaseApproved,
        T::ReleaseApproved => matches!(next, T::ReleaseApproved | T::ReleasePublished),
        T::ReleasePublished => {
            matches!(next, T::ReleaseSuspended | T::ReleaseRecalled | T::ReleaseEndOfSupport)
        }
        T::ReleaseSuspended => {
            matches!(next, T::ReleasePublished | T::ReleaseRecalled | T::ReleaseEndOfSupport)
        }
        T::ReleaseRecalled => next == T::ReleaseEndOfSupport,
        T::CampaignCreated => matches!(next, T::UpdateAuthorised | T::DowngradeAuthorised),
        T::UpdateAuthorised | T::DowngradeAuthorised => {
            matches!(next, T::UpdateAuthorised | T::UpdateOffered | T::AuthorisationRevoked)
        }
        T::ReleaseEndOfSupport | T::AuthorisationRevoked => false,
        T::UpdateOffered => matches!(next, T::UpdateDeferred | T::AuthorisationRevoked),
        _ => device_follows(Some(last), next),
    }
}

/// Events of a device whose order matters, as one bit each: 40 to 56, and those of a deferral.
const fn bit(event: EventType) -> u32 {
    match event as u16 {
        code @ 40..=56 => 1 << code.wrapping_sub(40),
        22 => 1 << 30,
        23 => 1 << 31,
        _ => 0,
    }
}

const fn any_of(mut events: &[EventType]) -> u32 {
    let mut bits = 0;
    while let [first, rest @ ..] = events {
        bits |= bit(*first);
        events = rest;
    }
    bits
}

/// Heartbeats may come at any time but while flash is half written.
const HEARTBEAT: u32 = bit(T::InstalledState);
/// What may follow where no update is under way.
const IDLE: u32 = HEARTBEAT
    | any_of(&[T::Check, T::DownloadStarted, T::Downloaded, T::UpdateDeferred])
    | any_of(&[T::Reboot, T::BootOk, T::BootFailed]);
/// An update interrupted by a deferral or a restart goes on where it was.
const RESUMED: u32 = any_of(&[T::SignatureVerified, T::InstallStarted]);

/// What may follow what a device did, in order of number from 41 on; what is left out is `IDLE`.
const AFTER: [u32; 15] = [
    // download_started, downloaded, download_failed
    HEARTBEAT
        | any_of(&[T::DownloadStarted, T::Downloaded, T::DownloadFailed, T::Reboot])
        | any_of(&[T::UpdateDeferred]),
    HEARTBEAT | any_of(&[T::SignatureVerified, T::UpdateDeferred, T::Reboot]),
    IDLE,
    // signature_verified, verification_failed
    HEARTBEAT | any_of(&[T::InstallStarted, T::UpdateDeferred, T::Reboot]),
    IDLE,
    // install_started, installed, install_failed
    any_of(&[T::Installed, T::InstallFailed]),
    any_of(&[T::Reboot]),
    IDLE | any_of(&[T::InstallStarted, T::RollbackStarted]),
    // reboot, boot_ok, boot_failed
    any_of(&[T::BootOk, T::BootFailed]),
    IDLE | RESUMED | any_of(&[T::Committed, T::RollbackStarted]),
    HEARTBEAT | any_of(&[T::Reboot, T::BootOk, T::BootFailed, T::RollbackStarted]),
    // committed
    IDLE,
    // rollback_started, rolled_back, rollback_failed
    any_of(&[T::RolledBack, T::RollbackFailed]),
    IDLE,
    HEARTBEAT | any_of(&[T::RollbackStarted]),
];

fn device_follows(last: Option<EventType>, next: EventType) -> bool {
    let allowed = match last {
        Some(T::UpdateDeferred) => IDLE | RESUMED | bit(T::UpdateOffered),
        Some(last) => {
            let row = usize::from(last.code()).checked_sub(41);
            row.and_then(|row| AFTER.get(row)).copied().unwrap_or(IDLE)
        }
        None => IDLE,
    };
    allowed & bit(next) != 0
}
