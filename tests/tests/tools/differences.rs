//! Where ours may differ from the original, stream by stream, and why. The reasons stand in `docs/COMPATIBILITY.md` word for
//! word.

/// One stream of one case.
pub(crate) struct Difference {
    pub(crate) case: &'static str,
    /// `out`, `err` or `code`.
    pub(crate) stream: &'static str,
    pub(crate) reason: &'static str,
}

const fn differs(case: &'static str, stream: &'static str, reason: &'static str) -> Difference {
    Difference { case, stream, reason }
}

/// Of 4.3.1.
pub(crate) const FROM_4: &[Difference] = &[];

/// Of 2.2.0.
pub(crate) const FROM_2_2: &[Difference] = &[];
