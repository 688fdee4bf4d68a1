//! One journal or update machine of the sizes of page and word that C named.
//!
//! The agent takes those sizes as types; here is one of each that was asked for when the library
//! was built, and the choice among them.

use crate::key::Holder;
use crate::{Clock, Flash, Status};
use firmlog_agent::Journal;
use firmlog_agent::journal::{ENTRY_MAX, Error, Report};
use firmlog_agent::update::{Identity, Image, LogBeforeInstall, Resume, Updater, signed_by};
use firmlog_statement::Signer as _;
use firmlog_statement::chain::ChainHead;

/// A journal, by itself or under an update machine.
#[expect(clippy::large_enum_variant, reason = "there is no heap to put the larger one on")]
pub(crate) enum Mode<const PAGE: usize, const WORD: usize> {
    Journal(Journal<Flash, PAGE, WORD>),
    Updater(Updater<'static, Flash, Holder, Clock, PAGE, WORD>),
}

/// Everything the agent needs to start.
pub(crate) struct Parts {
    pub(crate) flash: Flash,
    pub(crate) holder: Holder,
    pub(crate) clock: Clock,
    pub(crate) identity: Identity<'static>,
    pub(crate) policy: LogBeforeInstall,
    pub(crate) earlier_key: Option<[u8; 32]>,
}

impl<const PAGE: usize, const WORD: usize> Mode<PAGE, WORD> {
    pub(crate) const fn journal(&mut self) -> &mut Journal<Flash, PAGE, WORD> {
        match self {
            Self::Journal(journal) => journal,
            Self::Updater(updater) => updater.journal(),
        }
    }

    pub(crate) const fn updater(
        &mut self,
    ) -> Result<&mut Updater<'static, Flash, Holder, Clock, PAGE, WORD>, Status> {
        match self {
            Self::Journal(_) => Err(Status::NoMachine),
            Self::Updater(updater) => Ok(updater),
        }
    }

    /// Goes on from the log's head; an update machine says so at once.
    pub(crate) fn resume(
        &mut self,
        head: &ChainHead,
        running: Option<Image>,
    ) -> Result<Resume, Error> {
        match self {
            Self::Journal(journal) => journal.resume(head).map(|()| Resume::Idle),
            Self::Updater(updater) => updater.resume(head, None, running),
        }
    }

    fn format(flash: Flash, start: ChainHead) -> Result<(), Error> {
        Journal::<_, PAGE, WORD>::format(flash, start).map(|_| ())
    }

    fn open(parts: &Parts) -> Result<(Self, Report), Error> {
        let (mut journal, report) = Journal::open(parts.flash)?;
        let mut entry = [0; ENTRY_MAX];
        let newest = journal.readable().0.checked_sub(1);
        let len = newest.map(|seq| journal.statement(seq, &mut entry)).transpose()?.flatten();
        let key = len.and_then(|len| signed_by(entry.get(..len)?)).copied();
        let own = parts.holder.public_key().thumbprint().0;
        if key.is_some_and(|key| key != own && Some(key) != parts.earlier_key) {
            return Err(Error::OtherKey);
        }
        Ok((Self::Journal(journal), report))
    }

    fn start(parts: &Parts, running: Image) -> Result<(Self, Resume, Report), Error> {
        let Parts { flash, holder, clock, identity, policy, .. } = parts;
        let mut updater = Updater::new(*flash, *holder, *clock, *identity, *policy);
        parts.earlier_key.into_iter().for_each(|key| updater.follows_key(key));
        let started = updater.start(running)?;
        Ok((Self::Updater(updater), started.resume, started.report))
    }
}

/// Sizes the journal can use, whether built in or not.
fn usable(flash: &Flash) -> bool {
    let (page, word) = (flash.page_bytes, flash.word_bytes);
    page.is_power_of_two() && page >= 1024 && word.is_power_of_two() && word <= 32
}

macro_rules! geometries {
    ($($feature:literal $variant:ident $page:literal $word:literal),+ $(,)?) => {
        #[cfg(not(any($(feature = $feature),+)))]
        compile_error!("name at least one flash-PAGE-WORD feature");

        /// The agent of one geometry.
        pub(crate) enum Machine {
            $(#[cfg(feature = $feature)] $variant(Mode<$page, $word>),)+
        }

        impl Machine {
            pub(crate) fn format(flash: Flash, start: ChainHead) -> Result<(), Status> {
                match (flash.page_bytes, flash.word_bytes) {
                    $(#[cfg(feature = $feature)]
                    ($page, $word) => Ok(Mode::<$page, $word>::format(flash, start)?),)+
                    _ => Err(not_built(&flash)),
                }
            }

            pub(crate) fn open(parts: &Parts) -> Result<(Self, Report), Status> {
                match (parts.flash.page_bytes, parts.flash.word_bytes) {
                    $(#[cfg(feature = $feature)]
                    ($page, $word) => {
                        let (mode, report) = Mode::open(parts)?;
                        Ok((Self::$variant(mode), report))
                    })+
                    _ => Err(not_built(&parts.flash)),
                }
            }

            pub(crate) fn start(
                parts: &Parts,
                running: Image,
            ) -> Result<(Self, Resume, Report), Status> {
                match (parts.flash.page_bytes, parts.flash.word_bytes) {
                    $(#[cfg(feature = $feature)]
                    ($page, $word) => {
                        let (mode, resume, report) = Mode::start(parts, running)?;
                        Ok((Self::$variant(mode), resume, report))
                    })+
                    _ => Err(not_built(&parts.flash)),
                }
            }
        }

        /// Does the same with the agent of whichever geometry it is.
        macro_rules! on {
            ($machine:expr, $mode:ident => $do:expr) => {
                match $machine {
                    $(#[cfg(feature = $feature)]
                    $crate::machine::Machine::$variant($mode) => $do,)+
                }
            };
        }
        pub(crate) use on;
    };
}

geometries! {
    "flash-1024-4" P1024W4 1024 4,
    "flash-2048-8" P2048W8 2048 8,
    "flash-4096-4" P4096W4 4096 4,
    "flash-4096-8" P4096W8 4096 8,
    "flash-8192-16" P8192W16 8192 16,
    "flash-131072-32" P131072W32 131_072 32,
}

fn not_built(flash: &Flash) -> Status {
    if usable(flash) { Status::GeometryNotBuilt } else { Status::Geometry }
}
