//! What a check leaves out, in words.

/// What was left out of the check, so that nobody believes more than was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotChecked {
    /// Whether the bundle leaves something out that would change the answer.
    LeftOut,
    /// What the log took after the checkpoint.
    OtherEntries,
    /// Whether entries on which the answer does not depend keep the log's rules.
    RulesElsewhere,
    /// Whether what people and devices say is true: only that they said it.
    TruthOfStatements,
    /// Device clocks: times are the device's own.
    DeviceClocks,
    /// So many anchors, of kinds that are not known or of checkpoints that are not believed.
    Anchors(u64),
    /// Whether the blocks of so many anchors are their chains': nobody vouched for them.
    AnchorBlocks(u64),
    /// Whether the contracts of so many anchors are ours: the trust root does not name them.
    AnchorContracts(u64),
    /// The code of the contracts of so many anchors.
    AnchorCode(u64),
    /// What the contracts of so many anchors store.
    AnchorStorage(u64),
    /// So many certificates and pieces of revocation data.
    Certificates(u64),
    /// So many private values that are committed to and not disclosed.
    Undisclosed(u64),
    /// So many entries that are no statements of ours.
    ForeignEntries(u64),
    /// The firmware image itself: compare its SHA-256 with the release.
    Image,
    /// Whether the log showed everybody the same tree: the trust root asks for no witness.
    SplitView,
}

impl NotChecked {
    /// How many things were left out, where they are counted.
    pub(crate) const fn count(self) -> u64 {
        match self {
            Self::Anchors(n)
            | Self::AnchorBlocks(n)
            | Self::AnchorContracts(n)
            | Self::AnchorCode(n)
            | Self::AnchorStorage(n)
            | Self::Certificates(n)
            | Self::Undisclosed(n)
            | Self::ForeignEntries(n) => n,
            _ => 1,
        }
    }
}

impl core::fmt::Display for NotChecked {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::LeftOut => f.write_str("whether anything was left out, such as a recall"),
            Self::OtherEntries => f.write_str("what the log took after the checkpoint"),
            Self::RulesElsewhere => f.write_str(
                "whether entries on which the answer does not depend keep the log's rules",
            ),
            Self::TruthOfStatements => {
                f.write_str("whether statements are true, only that they were made and logged")
            }
            Self::DeviceClocks => f.write_str("the clocks of devices"),
            Self::Anchors(n) => write!(f, "{n} anchor{}", plural(*n)),
            Self::AnchorBlocks(n) => {
                write!(f, "the blocks of {n} anchor{}: nobody vouched for them", plural(*n))
            }
            Self::AnchorContracts(n) => {
                let anchors = plural(*n);
                write!(f, "the contracts of {n} anchor{anchors}: the trust root does not name them")
            }
            Self::AnchorCode(n) => {
                write!(f, "the code of the contracts of {n} anchor{}", plural(*n))
            }
            Self::AnchorStorage(n) => {
                write!(f, "what the contracts of {n} anchor{} store", plural(*n))
            }
            Self::Certificates(n) => write!(f, "{n} certificate{}", plural(*n)),
            Self::Undisclosed(n) => write!(f, "private values that are not disclosed: {n}"),
            Self::ForeignEntries(n) => write!(f, "entries that are not firmlog statements: {n}"),
            Self::Image => f.write_str("the firmware image itself"),
            Self::SplitView => f.write_str(
                "whether the log shows everybody the same tree (no witness is asked for)",
            ),
        }
    }
}

const fn plural(n: u64) -> &'static str {
    if n == 1 { "" } else { "s" }
}
