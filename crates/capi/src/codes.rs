//! Numbers that C names: the registries of statements, as far as a device says them, and the
//! agent's own.
//!
//! C may hand any number to a function that takes one, so functions take plain integers and look
//! them up. cbindgen does not see through the macros of `firmlog-statement`: what stands here is
//! compared with it by the tests below.

use crate::Status;

/// What happened on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Event {
    /// Put off for clinical use.
    UpdateDeferred = 23,
    /// Looked for an update.
    Check = 40,
    /// The image begins to arrive.
    DownloadStarted = 41,
    /// The image is complete on the device.
    Downloaded = 42,
    /// The image did not arrive whole.
    DownloadFailed = 43,
    /// Release signature and policy hold.
    SignatureVerified = 44,
    /// They do not.
    VerificationFailed = 45,
    /// Flash is about to be written.
    InstallStarted = 46,
    /// Flash is written.
    Installed = 47,
    /// Writing failed.
    InstallFailed = 48,
    /// About to restart.
    Reboot = 49,
    /// Restarted and measured.
    BootOk = 50,
    /// Did not come up.
    BootFailed = 51,
    /// The new firmware stays.
    Committed = 52,
    /// Returning to the earlier firmware.
    RollbackStarted = 53,
    /// The earlier firmware is back.
    RolledBack = 54,
    /// The return failed.
    RollbackFailed = 55,
    /// A heartbeat: what runs.
    InstalledState = 56,
    /// Refused: no signature.
    RefusedUnsigned = 70,
    /// Refused: bad signature.
    RefusedBadSignature = 71,
    /// Refused: unknown signer.
    RefusedUnknownSigner = 72,
    /// Refused: revoked signer.
    RefusedRevokedSigner = 73,
    /// Refused: lower version or counter.
    RefusedDowngrade = 74,
    /// Refused: not for this model.
    RefusedWrongModel = 75,
    /// Refused: nobody authorised it.
    RefusedNotAuthorised = 76,
    /// Refused: device in use.
    RefusedInUse = 77,
    /// Refused: local policy.
    RefusedLocalPolicy = 78,
    /// Refused: authorisation expired.
    RefusedExpired = 79,
    /// Refused: seen before.
    ReplayDetected = 80,
    /// Something was tampered with.
    TamperDetected = 100,
    /// Runs what nobody announced.
    UnexpectedVersion = 101,
    /// The journal has a gap.
    LogGap = 102,
    /// The journal overwrote its oldest.
    LogWrap = 103,
    /// Recording began.
    LoggerStarted = 104,
    /// Recording ends.
    LoggerStopped = 105,
    /// The clock jumped.
    ClockStep = 106,
    /// A key was put in.
    KeyProvisioned = 107,
    /// A key was replaced.
    KeyRotated = 108,
    /// A key was withdrawn.
    KeyRevoked = 109,
    /// Debug access was opened.
    DebugUnlocked = 110,
    /// Reset to factory state.
    FactoryReset = 111,
    /// Service mode entered.
    ServiceMode = 112,
    /// Taken out of use for good.
    Decommissioned = 113,
}

/// How what a statement tells of ended, as far as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// Not ended yet.
    InProgress = 0,
    /// The new firmware is committed.
    Succeeded = 1,
    /// It failed; what ran before still runs.
    Failed = 2,
    /// The earlier firmware was restored.
    RolledBack = 3,
    /// Restoring the earlier firmware failed.
    RollbackFailed = 4,
    /// The device refused.
    Refused = 5,
    /// Put off, for clinical use or by policy.
    Deferred = 6,
    /// Something runs that nobody announced.
    Unexpected = 7,
    /// No update: the device says what it runs.
    State = 8,
}

/// The phase an attempt had reached (FDA premarket guidance, Appendix 1.H).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// None.
    Idle = 0,
    /// Fetching.
    Download = 1,
    /// Checking.
    Verify = 2,
    /// Writing.
    Install = 3,
    /// Switching slots.
    Activate = 4,
    /// Starting.
    Boot = 5,
    /// Testing itself.
    SelfTest = 6,
    /// Making it stay.
    Commit = 7,
    /// Returning.
    Rollback = 8,
}

/// Where power came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Power {
    /// The device cannot tell.
    Unknown = 0,
    /// Mains.
    Mains = 1,
    /// Battery.
    Battery = 2,
    /// Battery, nearly empty.
    BatteryLow = 3,
    /// Power was lost during the attempt.
    Lost = 4,
}

/// Where the device's time came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Source {
    /// No clock but a monotonic counter.
    None = 0,
    /// A battery-backed clock.
    Rtc = 1,
    /// NTP without authentication.
    Ntp = 2,
    /// NTS (RFC 8915).
    Nts = 3,
    /// Roughtime (RFC 10049), three servers or more.
    Roughtime = 4,
    /// A satellite receiver, unauthenticated.
    Gnss = 5,
    /// Set by hand.
    Manual = 6,
}

/// Whether that source was in reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sync {
    /// Never synchronised since the clock was set or lost.
    Never = 0,
    /// Synchronised now.
    Synchronised = 1,
    /// Synchronised earlier, coasting.
    Holdover = 2,
    /// The clock stepped or disagrees with its source.
    Suspect = 3,
}

/// Whether an update may begin that cannot be recorded: the manufacturer's risk decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Policy {
    /// No: flash is not touched.
    Required = 0,
    /// Yes: what had no room is counted, and told of later.
    BestEffort = 1,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Logged {
    /// A statement of it is durable.
    Recorded = 0,
    /// It waits for the next statement; it is lost if power is.
    Waiting = 1,
    /// It could not be recorded. The journal counts it, unless that failed as well.
    Dropped = 2,
}

/// What the updater does next after a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Resume {
    /// Nothing is under way.
    Idle = 0,
    /// The image was not written whole: write it again, or let it be.
    InstallAgain = 1,
    /// The new image runs on trial: commit it or roll it back.
    Decide = 2,
    /// The way back was cut short: take it again.
    RollBackAgain = 3,
}

impl From<firmlog_agent::update::Logged> for Logged {
    fn from(logged: firmlog_agent::update::Logged) -> Self {
        use firmlog_agent::update::Logged as L;
        match logged {
            L::Recorded => Self::Recorded,
            L::Waiting => Self::Waiting,
            L::Dropped(_) => Self::Dropped,
        }
    }
}

impl From<firmlog_agent::update::Resume> for Resume {
    fn from(resume: firmlog_agent::update::Resume) -> Self {
        use firmlog_agent::update::Resume as R;
        match resume {
            R::Idle => Self::Idle,
            R::InstallAgain => Self::InstallAgain,
            R::Decide => Self::Decide,
            R::RollBackAgain => Self::RollBackAgain,
        }
    }
}

/// The value of a number, or that it has none.
pub(crate) fn known<T>(value: Option<T>) -> Result<T, Status> {
    value.ok_or(Status::UnknownCode)
}

#[cfg(test)]
mod tests {
    use firmlog_statement::event::EventType;
    use firmlog_statement::{Outcome, Phase, PowerState, time};
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    /// `Variant = 7` of each line of an enum as it is written above.
    fn written(name: &str) -> Vec<String> {
        let source = include_str!("codes.rs");
        let body = source.split(&format!("pub enum {name} {{\n")).nth(1).unwrap();
        let lines = body.split("\n}").next().unwrap().lines();
        let lines = lines.filter_map(|line| line.trim().strip_suffix(','));
        lines.map(String::from).collect()
    }

    fn registry<T: core::fmt::Debug + Copy>(all: &[T], code: fn(T) -> u16) -> Vec<String> {
        all.iter().map(|it| format!("{it:?} = {}", code(*it))).collect()
    }

    #[test]
    fn numbers_are_those_of_statements() {
        let device: Vec<EventType> =
            EventType::ALL.iter().copied().filter(|event| event.of_device()).collect();
        assert_eq!(written("Event"), registry(&device, EventType::code));
        assert_eq!(written("Outcome"), registry(Outcome::ALL, Outcome::code));
        assert_eq!(written("Phase"), registry(Phase::ALL, Phase::code));
        assert_eq!(written("Power"), registry(PowerState::ALL, PowerState::code));
        assert_eq!(written("Source"), registry(time::Source::ALL, time::Source::code));
        assert_eq!(written("Sync"), registry(time::SyncState::ALL, time::SyncState::code));
    }
}
