//! What every surface has to say of a release.

/// One row of the table in docs/spec/standing.md, as it was made by a case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says<'a> {
    /// Where the release stands.
    pub(crate) standing: &'a str,
    /// How the reason begins that pages and API give against it; empty if it may be used.
    pub(crate) banner: &'a str,
    /// How the program's headline begins.
    pub(crate) headline: &'a str,
    pub(crate) verdict: &'a str,
    /// The kinds of all findings but notes, each once, in order of the alphabet.
    pub(crate) findings: &'a [&'a str],
    /// Of `verify`, `identify` and `release show`; `bundle` ends with 0 in the place of 3.
    pub(crate) exit: i32,
    /// Number of the device's reason (docs/spec/install.md); 0 if it installs.
    pub(crate) device: u64,
}

/// Nothing speaks against it; anything may have been left out.
pub(crate) const MAY_BE_USED: Says<'_> = Says {
    standing: "published",
    banner: "",
    headline: "VERIFIED SO FAR",
    verdict: "verified so far",
    findings: &[],
    exit: 3,
    device: 0,
};

pub(crate) const RECALLED: Says<'_> = Says {
    standing: "recalled",
    findings: &["withdrawn"],
    exit: 1,
    device: 8,
    ..against("RECALLED by entry ")
};

pub(crate) const SUSPENDED: Says<'_> = Says {
    standing: "suspended",
    ..Says { banner: "SUSPENDED by entry ", headline: "SUSPENDED by entry ", ..RECALLED }
};

pub(crate) const REJECTED: Says<'_> = Says {
    standing: "rejected",
    findings: &["rejected"],
    device: 7,
    ..Says { banner: "REJECTED by entry ", headline: "REJECTED by entry ", ..RECALLED }
};

/// Published, with fewer approvals than are asked for.
pub(crate) const NOT_APPROVED: Says<'_> =
    Says { findings: &["approvals_missing"], device: 6, ..against("NOT APPROVED YET: 0 of ") };

pub(crate) const SIGNER_COMPROMISED: Says<'_> = Says {
    findings: &["signer_compromised"],
    exit: 1,
    device: 5,
    ..against("DO NOT USE IT: the key that signed it, or one behind that key, is compromised")
};

pub(crate) const BYTES_RECALLED: Says<'_> = Says {
    findings: &["bytes_recalled"],
    exit: 1,
    device: 18,
    ..against("DO NOT USE IT: release ")
};

/// A release that says this of itself.
pub(crate) const fn against(banner: &str) -> Says<'_> {
    Says { banner, headline: banner, ..MAY_BE_USED }
}

impl<'a> Says<'a> {
    pub(crate) fn is_usable(&self) -> bool {
        self.banner.is_empty()
    }

    /// The same, where the log also took what its rules refuse: nobody trusts it then.
    pub(crate) fn of_a_liar(self, findings: &'a [&'a str]) -> Self {
        Self { headline: "DO NOT TRUST THE LOG: ", findings, exit: 1, ..self }
    }

    /// The same, where the evidence has what no honest log holds, such as a word of a revoked key.
    pub(crate) fn altered(self, findings: &'a [&'a str]) -> Self {
        let (verdict, headline) = ("altered", "ALTERED: entry ");
        Self { verdict, headline, findings, exit: 1, device: 1, ..self }
    }
}
