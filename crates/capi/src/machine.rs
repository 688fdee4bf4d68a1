//! One journal or update machine of the sizes of page and word that C named.
//!
//! The agent takes those sizes as types; here is one of each that was asked for when the library
//! was built, and the choice among them.

use crate::key::Holder;
use crate::{Clock, Flash, Status};
use firmlog_agent::Journal;
use firmlog_agent::journal::{Error, Report};
use firmlog_agent::update::{Identity, Image, LogBeforeInstall, Resume, Updater};
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
    pub(crate) fn resume(&mut self, head: &ChainHead, running: Option<Image>) -> Result<(), Error> {
        match self {
            Self::Journal(journal) => journal.resume(head),
            Self::Updater(updater) => updater.resume(head, None, running).map(|_| ()),
        }
    }

    fn format(flash: Flash, start: ChainHead) -> Result<(), Error> {
        Journal::<_, PAGE, WORD>::format(flash, start).map(|_| ())
    }

    fn open(flash: Flash) -> Result<(Self, Report), Error> {
        Journal::open(flash).map(|(journal, report)| (Self::Journal(journal), report))
    }

    fn start(parts: &Parts, running: Image) -> Result<(Self, Resume, Report), Error> {
        let Parts { flash, holder, clock, identity, policy } = parts;
        let mut updater = Updater::new(*flash, *holder, *clock, *identity, *policy);
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

            pub(crate) fn open(flash: Flash) -> Result<(Self, Report), Status> {
                match (flash.page_bytes, flash.word_bytes) {
                    $(#[cfg(feature = $feature)]
                    ($page, $word) => {
                        let (mode, report) = Mode::open(flash)?;
                        Ok((Self::$variant(mode), report))
                    })+
                    _ => Err(not_built(&flash)),
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
