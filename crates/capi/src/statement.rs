//! A statement in steps, for a device that signs between two calls.
//!
//! ```text
//! hash the image ─▶ build ─▶ hash what is to be signed ─▶ sign ─▶ append: durable
//! ```
//!
//! In scope: from what happened to an entry in the journal. Out of scope: the order of events,
//! which the update machine keeps, or the device itself.

use crate::codes::known;
use crate::context::Inner;
use crate::machine::on;
use crate::pointer::{answer, borrow, buffer, check, filled, list};
use crate::slot::with;
use crate::status::told;
use crate::{Agent, Detail, Image, Status};
use firmlog_agent::journal::{Append, Class, ENTRY_MAX, Error, Note};
use firmlog_statement::disclosure::{self, Commitments, FieldId};
use firmlog_statement::event::EventType as T;
use firmlog_statement::{
    COMPLETED_BY, ChainEntry, Digest, Event, Events, Extra, List, Outcome, Parsed, Phase,
    SecurityCounter, Seq, StatementError, Unit, Update, UpdateResult, VersionCode, sha256,
};

/// One step, and how long before the statement it happened.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Said {
    /// Milliseconds before the statement's time.
    pub ago_ms: u64,
    /// Error or detail code of the update agent.
    pub code: u32,
    /// How many alike this stands for.
    pub count: u32,
    /// What happened: `FIRMLOG_EVENT_…`.
    pub event: u16,
    /// Whether `code` is said.
    pub has_code: u8,
    /// Whether `count` is said.
    pub has_count: u8,
}

/// A salted commitment to a private value, made by `firmlog_commit`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Commitment {
    /// What the value is: its number in docs/spec/statement.md, such as 1 for the serial number.
    pub field: u16,
    /// The commitment.
    pub digest: [u8; 32],
}

/// What a statement says. What is not known stays zero.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Statement {
    /// What happened, in order of time: 1 to 16; one less while the journal has dropped some, and
    /// one less after `firmlog_chain_resume`.
    pub events: *const Said,
    /// How many.
    pub events_len: usize,
    /// Salted commitments, ascending by field, at most 8.
    pub commitments: *const Commitment,
    /// How many.
    pub commitments_len: usize,
    /// How long the attempt took, milliseconds; 0 if that is not said.
    pub duration_ms: u64,
    /// The image this is about.
    pub image: Image,
    /// Leaf hash of its release.
    pub release: [u8; 32],
    /// Leaf hash of its authorisation.
    pub authorisation: [u8; 32],
    /// Error number and power.
    pub detail: Detail,
    /// How many attempts this was.
    pub attempts: u16,
    /// `FIRMLOG_OUTCOME_…`.
    pub outcome: u8,
    /// `FIRMLOG_PHASE_…`.
    pub phase: u8,
}

/// Commits to a private value: SHA-256 of salt, field and value goes to `commitment`. The salt is
/// 16 random bytes, another for each value; keep it with the value, beside the statement.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_commit(
    field: u16,
    salt: *const u8,
    value: *const u8,
    len: usize,
    commitment: *mut Commitment,
) -> Status {
    let done = || {
        let id = known(FieldId::from_code(u64::from(field)))?;
        // SAFETY: the crate's contract.
        let (salt, value) = unsafe { (borrow::<[u8; 16]>(salt.cast())?, list(value, len)?) };
        let value = core::str::from_utf8(value).map_err(|_| Status::Name)?;
        let Digest(digest) = disclosure::Commitment::new(id, salt, value).digest;
        // SAFETY: the crate's contract.
        unsafe { answer(commitment, Commitment { field, digest }) }
    };
    told(done())
}

/// Builds the next statement of the device chain into `tbs` of `size` bytes: what is to be signed,
/// `len` bytes of it. Its SHA-256 is the digest that ES256 signs. `firmlog_statement_append` makes
/// the entry of it in the same buffer and takes 56 bytes more. `FIRMLOG_STATUS_TOO_LONG` if that
/// would be more than the 640 bytes of the longest entry: nothing is signed in vain.
///
/// With an update machine it may tell only of what happens beside an update, with the outcome
/// `FIRMLOG_OUTCOME_STATE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_statement_build(
    agent: *mut Agent,
    statement: *const Statement,
    tbs: *mut u8,
    size: usize,
    len: *mut usize,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            check(len)?;
            let out = buffer(tbs, size)?;
            let update = inner.update(borrow(statement)?)?;
            inner.check_beside(&update)?;
            let class = Class::of(update.events.iter().map(|event| event.kind));
            let room = on!(&mut inner.machine, mode => mode.journal().has_room(class));
            room.map_err(|error| inner.failed(error))?;
            let key = firmlog_statement::Signer::public_key(&inner.holder);
            let (issuer, subject) = (inner.identity.issuer, inner.identity.subject);
            let made = firmlog_statement::prepare(&update, issuer, subject, &key, out);
            let len_of_entry = match made {
                Ok(made) => made.saturating_add(COMPLETED_BY),
                // Even the longest entry had room.
                Err(StatementError::BufferTooSmall) if size >= ENTRY_MAX => usize::MAX,
                Err(rule) => return Err(inner.failed(rule_error(rule))),
            };
            if len_of_entry > ENTRY_MAX {
                return Err(inner.failed(Error::TooLong));
            }
            if len_of_entry > size {
                return Err(Status::BufferTooSmall);
            }
            let made = len_of_entry.saturating_sub(COMPLETED_BY);
            let told = update.unit.as_ref().and_then(|unit| unit.dropped);
            inner.telling = Some((update.seq.0, told.unwrap_or_default()));
            answer(len, made)
        })
    }
}

/// Makes the entry of what was signed, the first `len` bytes of `tbs`, and appends it; durable when
/// it returns `FIRMLOG_STATUS_OK`. Then `tbs` holds the entry, 56 bytes longer. `signature` is 64
/// bytes. `note` is the device's own state from here on, at most 192 bytes, or null to leave it as
/// it was; with an update machine it must be null. After anything but OK build the statement again.
///
/// With P-256 built in, a signature that is none of this key's is refused. Without it, and for
/// Ed25519, none is noticed here, and the log refuses it with everything after it: check what comes
/// from a part that may fail.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firmlog_statement_append(
    agent: *mut Agent,
    tbs: *mut u8,
    size: usize,
    len: usize,
    signature: *const u8,
    note: *const u8,
    note_len: usize,
) -> Status {
    // SAFETY: the crate's contract.
    unsafe {
        with(agent, |inner| {
            let tbs = filled(tbs, size)?;
            let signature = *borrow::<[u8; 64]>(signature.cast())?;
            let note = (!note.is_null()).then(|| list(note, note_len)).transpose()?;
            let signed = tbs.get(..len).ok_or(Status::Range)?;
            if !inner.holder.may_be_of(&sha256(&[signed]), &signature) {
                return Err(inner.failed(rule_error(StatementError::SignatureScalarRange)));
            }
            let made = firmlog_statement::complete::<Update>(tbs, len, signature);
            let made = made.map_err(|rule| inner.failed(rule_error(rule)))?;
            inner.append(tbs.get(..made).ok_or(Status::Bug)?, note)
        })
    }
}

const fn rule_error(rule: StatementError) -> Error {
    Error::NotAnUpdate(rule)
}

impl Inner {
    /// Appends an entry, if it may stand beside what else is kept here.
    fn append(&mut self, entry: &[u8], note: Option<&[u8]>) -> Result<(), Status> {
        let parsed =
            Parsed::parse_as::<Update>(entry).map_err(|rule| self.failed(rule_error(rule)))?;
        let update = parsed.update().map_err(|rule| self.failed(rule_error(rule)))?;
        if *parsed.kid() != firmlog_statement::Signer::public_key(&self.holder).thumbprint() {
            return Err(Status::Key);
        }
        self.check_beside(&update)?;
        let entry = ChainEntry::of(&parsed).ok_or(Status::Bug)?;
        let tells_of_lost = update.events.iter().any(|event| event.kind == T::LogGap);
        let class = Class::of(update.events.iter().map(|event| event.kind));
        let telling = self.telling.filter(|(seq, _)| *seq == update.seq.0).map(|(_, count)| count);
        let done = on!(&mut self.machine, mode => {
            let has_machine = mode.updater().is_ok();
            let journal = mode.journal();
            let note = match note {
                Some(_) if has_machine => return Err(Status::NotBesideMachine),
                Some(bytes) => Note::new(bytes).ok_or(Status::Range)?,
                None => *journal.note(),
            };
            // Only what was counted when the statement was built is told of.
            let dropped = journal.dropped().count;
            let tells_of_dropped = dropped > 0 && telling == Some(dropped);
            let note = &note;
            journal.append(&Append { entry, note, class, tells_of_dropped, tells_of_lost })
        });
        self.telling = None;
        done.map_err(|error| self.failed(error))
    }

    /// With an update machine a statement made by hand may not move the update, or say how one
    /// ended: the machine would not know, and its note would be of another step.
    fn check_beside(&mut self, update: &Update) -> Result<(), Status> {
        let moves = |event: &Event| {
            !(event.kind.is_operational() || event.kind == T::InstalledState)
                || matches!(event.kind, T::UnexpectedVersion | T::FactoryReset | T::Decommissioned)
        };
        let has_machine = on!(&mut self.machine, mode => mode.updater().is_ok());
        // An outcome of an update would be taken for the machine's own word at the next start.
        let tells_of_one = update.outcome != Outcome::State;
        if has_machine && (tells_of_one || update.events.iter().any(moves)) {
            return Err(Status::NotBesideMachine);
        }
        Ok(())
    }

    fn update(&mut self, said: &Statement) -> Result<Update, Status> {
        let (next, dropped, untold, lost_from) = on!(&mut self.machine, mode => {
            let journal = mode.journal();
            let untold = journal.untold() > 0;
            (journal.next(), journal.dropped(), untold, journal.lost_from())
        });
        let (seq, prev) = next.ok_or(Status::ChainUnknown)?;
        // SAFETY: the crate's contract: lists are as long as said.
        let (events, commitments) = unsafe {
            (list(said.events, said.events_len)?, list(said.commitments, said.commitments_len)?)
        };
        let time = firmlog_agent::update::Clock::now(&mut self.clock);
        let detail = Detail::read(Some(&said.detail))?;
        let unit = (untold || lost_from.is_some()).then_some(Unit {
            manufacturer: None,
            model: None,
            hw_rev: None,
            udi_di: None,
            journal: None,
            dropped: untold.then_some(dropped.count),
            dropped_root: untold.then_some(Digest(dropped.root)),
            lost_from,
        });
        Ok(Update {
            device: self.identity.device,
            image: Digest(said.image.sha256),
            version: VersionCode(said.image.version),
            counter: SecurityCounter(said.image.counter),
            outcome: known(Outcome::from_code(u64::from(said.outcome)))?,
            seq: Seq(seq),
            prev: Digest(prev),
            events: events_of(events, untold, lost_from.is_some())?,
            time,
            from: None,
            to: None,
            release: digest_if_any(said.release),
            authorisation: digest_if_any(said.authorisation),
            initiator: None,
            reason: None,
            transport: None,
            result: Some(UpdateResult {
                phase: known(Phase::from_code(u64::from(said.phase)))?,
                error: detail.error,
                attempts: (said.attempts > 0).then_some(said.attempts),
                duration_ms: (said.duration_ms > 0).then_some(said.duration_ms),
                power: detail.power,
                test: None,
            }),
            boot: None,
            checkpoint: None,
            unit,
            commitments: commitments_of(commitments)?,
            extra: Extra::default(),
        })
    }
}

fn digest_if_any(digest: [u8; 32]) -> Option<Digest> {
    (digest != [0; 32]).then_some(Digest(digest))
}

fn events_of(said: &[Said], untold: bool, gap: bool) -> Result<Events, Status> {
    let mut list = List::<Event, 16>::new();
    if let Some(first) = said.first().filter(|_| gap) {
        list.push(Event::new(T::LogGap, first.ago_ms)).map_err(|_| Status::Events)?;
    }
    for said in said {
        let event = Event {
            kind: known(T::from_code(u64::from(said.event)))?,
            ago_ms: said.ago_ms,
            code: (said.has_code != 0).then_some(said.code),
            count: (said.has_count != 0).then_some(said.count),
            image: None,
        };
        list.push(event).map_err(|_| Status::Events)?;
    }
    if list.is_empty() {
        return Err(Status::Events);
    }
    if untold {
        list.push(Event::new(T::LogWrap, 0)).map_err(|_| Status::Events)?;
    }
    Ok(Events::new(&list)?)
}

fn commitments_of(commitments: &[Commitment]) -> Result<Commitments, Status> {
    let mut list = List::<disclosure::Commitment, 8>::new();
    for commitment in commitments {
        let field = known(FieldId::from_code(u64::from(commitment.field)))?;
        let digest = Digest(commitment.digest);
        list.push(disclosure::Commitment { field, digest }).map_err(|_| Status::Commitments)?;
    }
    Ok(Commitments::new(&list)?)
}
