//! Error codes of replies.

/// Why a request failed, as the protocol numbers it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Code {
    /// An operation of a multi after the one that failed.
    RuntimeInconsistency,
    /// An operation that this server does not have; the connection is closed after it.
    Unimplemented,
    BadArguments,
    NoNode,
    NoAuth,
    BadVersion,
    NoChildrenForEphemerals,
    NodeExists,
    NotEmpty,
    InvalidAcl,
    AuthFailed,
    NoWatcher,
}

impl Code {
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::RuntimeInconsistency => -2,
            Self::Unimplemented => -6,
            Self::BadArguments => -8,
            Self::NoNode => -101,
            Self::NoAuth => -102,
            Self::BadVersion => -103,
            Self::NoChildrenForEphemerals => -108,
            Self::NodeExists => -110,
            Self::NotEmpty => -111,
            Self::InvalidAcl => -114,
            Self::AuthFailed => -115,
            Self::NoWatcher => -121,
        }
    }
}
