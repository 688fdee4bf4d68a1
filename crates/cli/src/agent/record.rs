//! `agent record EVENT`: a step, as an updater's hooks call it.
//!
//! ```text
//! RAUC pre-install    firmlog agent record install_started      exit 1: leave flash alone
//! RAUC post-install   firmlog agent record installed
//! SWUpdate, failed    firmlog agent record install_failed --error 22
//! ```
//!
//! Exit: 0 recorded, or waiting for the next statement · 1 the step may not follow, or the install
//! is withheld · 3 it had no room and was counted.

use firmlog_agent::journal::Error as JournalError;
use firmlog_agent::update::{Detail, Logged, Refused, Target};
use firmlog_statement::disclosure::Commitments;
use firmlog_statement::event::EventType;
use firmlog_statement::{
    ClinicalContext, Initiator, InitiatorKind, PowerState, Reason, ReasonCode, Text,
};
use serde_json::json;

use super::config::parse_image;
use super::request::{Step, WhyArgs};
use super::unit::Unit;
use crate::answer::Answer;
use crate::command::statement::secret;
use crate::command::trust::unknown;
use crate::error::{Error, Exit, Result};
use crate::submit::{self, digest};

/// Takes the step.
pub(crate) fn record(unit: &mut Unit<'_>, step: &Step) -> Result<Answer> {
    let event = event(&step.event)?;
    let power = named("power state", step.power.as_ref(), PowerState::from_name, PowerState::ALL)?;
    let detail = Detail { error: step.error, power };
    because(unit, &step.why)?;
    let is_private = commit(unit, &step.private)?;
    let taken = take(unit, event, step, detail);
    let taken = taken.map(|logged| match logged {
        Logged::Waiting if step.now || is_private => unit.device.flush(),
        other => other,
    });
    // What waited may have been said even where this step was refused.
    unit.settle()?;
    if is_private {
        // If the step was refused, no later statement commits in its place.
        unit.device.commit(Commitments::default()).ok();
        unit.private.settle(&mut unit.device)?;
    }
    taken.map(|logged| answer(unit, event, logged)).map_err(|trouble| told(event, trouble))
}

fn take(
    unit: &mut Unit<'_>,
    event: EventType,
    step: &Step,
    detail: Detail,
) -> std::result::Result<Logged, Trouble> {
    let image = step.image.as_deref().map(|text| {
        parse_image(text).ok_or_else(|| Error::form("image", "not SHA-256 VERSION COUNTER"))
    });
    let image = image.transpose().map_err(Trouble::Usage)?;
    let taken = match (event, image) {
        (EventType::SignatureVerified, Some(image)) => {
            let release = step.release.as_deref().map(digest).transpose();
            let release = release.map_err(Trouble::Usage)?.map_or([0; 32], |hash| hash.0);
            unit.device.verified(Target { image, release }, detail)
        }
        (EventType::SignatureVerified, None) => {
            let needed = Error::new("E-USAGE", "signature_verified names what will be installed")
                .expected("--image FILE --version V", "no image");
            return Err(Trouble::Usage(needed));
        }
        (_, Some(image)) if event.turns_away() => unit.device.refuse(event, image, detail),
        _ => unit.device.step(event, detail),
    };
    taken.map_err(Trouble::Refused)
}

/// Who began the update and why, if that is told anew.
fn because(unit: &mut Unit<'_>, why: &WhyArgs) -> Result<()> {
    if *why == WhyArgs::default() {
        return Ok(());
    }
    let form = |what: &str, e| Error::form(what, e);
    let by = named("initiator", why.by.as_ref(), InitiatorKind::from_name, InitiatorKind::ALL)?;
    let role = why.role.as_deref().map(Text::new).transpose().map_err(|e| form("role", e))?;
    let organisation = why.organisation.as_deref().map(Text::new).transpose();
    let organisation = organisation.map_err(|e| form("organisation", e))?;
    let subject = why.by_id.as_deref().map(digest).transpose()?;
    let initiator = by.map(|kind| Initiator { kind, subject, role, organisation });
    let code = named("reason", why.reason.as_ref(), ReasonCode::from_name, ReasonCode::ALL)?;
    let (context, all) = (ClinicalContext::from_name, ClinicalContext::ALL);
    let clinical = named("clinical state", why.clinical.as_ref(), context, all)?;
    let reason = code.map(|code| Reason { code, clinical, campaign: None, policy: None });
    let told = unit.device.because(initiator, reason);
    told.map_err(|e| Error::new("E-TOO-LONG", format!("the initiator and the reason: {e}")))?;
    Ok(())
}

/// Commits to private values in the next statement, and keeps what opens them; false if there are
/// none.
fn commit(unit: &mut Unit<'_>, private: &[String]) -> Result<bool> {
    if private.is_empty() {
        return Ok(false);
    }
    let secrets = private.iter().map(|text| secret(text)).collect::<Result<Vec<_>>>()?;
    let commitments = submit::commit(&secrets)?;
    // What waits is another statement's.
    unit.device.flush();
    if let Some((seq, _)) = unit.device.journal().next() {
        unit.private.keep(seq, &secrets)?;
        let told = unit.device.commit(commitments);
        told.map_err(|e| Error::new("E-TOO-LONG", format!("the private values: {e}")))?;
    }
    Ok(true)
}

enum Trouble {
    Usage(Error),
    Refused(Refused),
}

fn told(event: EventType, trouble: Trouble) -> Error {
    match trouble {
        Trouble::Usage(error) => error,
        Trouble::Refused(Refused::NotLogged(why)) => {
            Error::new("E-NOT-LOGGED", format!("the install is withheld: {why}"))
                .exit(Exit::Against)
                .help("leave flash alone; log_before_install is required and failed")
        }
        Trouble::Refused(Refused::OutOfOrder { after }) => {
            let after = after.map_or("nothing", EventType::name);
            Error::new("E-ORDER", format!("{event} may not follow {after}"))
                .exit(Exit::Against)
                .help("docs/spec/statement.md lists the order of events; see firmlog agent status")
        }
        Trouble::Refused(_) => Error::new("E-AGENT", "the step was refused").exit(Exit::Against),
    }
}

fn answer(unit: &mut Unit<'_>, event: EventType, logged: Logged) -> Answer {
    let next = unit.device.journal().next().map_or(0, |(next, _)| next);
    let seq = next.saturating_sub(1);
    let (word, text, exit) = match logged {
        Logged::Recorded => ("recorded", format!("{event}: statement {seq}\n"), Exit::Proven),
        Logged::Waiting => {
            ("waiting", format!("{event}: waits for the next statement\n"), Exit::Proven)
        }
        Logged::Dropped(why) => {
            let why = match why {
                JournalError::ChainUnknown => "damage hides the end of the chain".to_owned(),
                JournalError::Full => "had no room".to_owned(),
                other => other.to_string(),
            };
            ("dropped", format!("{event}: {why}; it is counted\n"), Exit::Incomplete)
        }
    };
    let mut json = json!({"event": event.name(), "logged": word});
    if logged == Logged::Recorded {
        json["seq"] = seq.to_string().into();
    }
    Answer::new("agent-record", json, text).exit(exit)
}

/// The event of a name; hooks may write it with dashes.
pub(crate) fn event(name: &str) -> Result<EventType> {
    let known: Vec<EventType> =
        EventType::ALL.iter().copied().filter(|event| event.of_device()).collect();
    EventType::from_name(&name.replace('-', "_"))
        .filter(|event| event.of_device())
        .ok_or_else(|| unknown("event of a device", name, &known))
}

/// A value of a registry by its name; hooks may write it with dashes.
fn named<T: Copy + std::fmt::Display>(
    what: &str,
    name: Option<&String>,
    from: fn(&str) -> Option<T>,
    all: &[T],
) -> Result<Option<T>> {
    let found =
        |name: &String| from(&name.replace('-', "_")).ok_or_else(|| unknown(what, name, all));
    name.map(found).transpose()
}
