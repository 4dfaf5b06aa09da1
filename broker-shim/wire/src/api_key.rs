//! The API keys: names, known versions, and which header goes with which version.
//!
//! The table is of what the *codec* can read and write. Which versions a broker advertises is its own matter: a list
//! of [`AdvertisedApi`].

mod table;

pub use table::ApiKey;

use crate::message::Versions;
use std::fmt;
use table::ROWS;

/// What is known of one key.
struct Row {
    key: ApiKey,
    name: &'static str,
    versions: Option<(i16, i16)>,
    first_flexible: i16,
}

impl Row {
    const fn new(key: ApiKey, name: &'static str, versions: Option<(i16, i16)>, first_flexible: i16) -> Self {
        Self { key, name, versions, first_flexible }
    }
}

/// One API as a broker offers it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AdvertisedApi {
    /// Which.
    pub key: ApiKey,
    /// The lowest version served.
    pub min: i16,
    /// The highest version served.
    pub max: i16,
}

impl AdvertisedApi {
    /// A row of a broker's list.
    #[must_use]
    pub const fn new(key: ApiKey, min: i16, max: i16) -> Self {
        Self { key, min, max }
    }
}

impl ApiKey {
    /// The key with this number on the wire.
    #[must_use]
    pub fn from_i16(raw: i16) -> Option<Self> {
        usize::try_from(raw).ok().and_then(|index| ROWS.get(index)).map(|row| row.key)
    }

    /// The number on the wire.
    #[must_use]
    #[expect(clippy::cast_possible_wrap, reason = "all keys are below 95")]
    pub const fn to_i16(self) -> i16 {
        self as u16 as i16
    }

    /// All keys in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.key)
    }

    fn row(self) -> &'static Row {
        // The table has a row for every variant, at its number (tested).
        &ROWS[usize::from(self as u16)]
    }

    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The versions of its messages; `None` where there are no messages here.
    #[must_use]
    pub fn versions(self) -> Option<Versions> {
        let row = self.row();
        row.versions.map(|(min, max)| Versions::new(min, max, row.first_flexible))
    }

    /// The lowest version that the codec knows, `None` where there are no messages here.
    #[must_use]
    pub fn min_version(self) -> Option<i16> {
        self.versions().map(|versions| versions.min)
    }

    /// The highest version that the codec knows, `None` where there are no messages here.
    #[must_use]
    pub fn max_version(self) -> Option<i16> {
        self.versions().map(|versions| versions.max)
    }

    /// The first version with compact lengths and tag sections, if there is one.
    #[must_use]
    pub fn first_flexible(self) -> Option<i16> {
        Some(self.row().first_flexible).filter(|first| *first != i16::MAX)
    }

    /// Whether the version has compact lengths and tag sections.
    #[must_use]
    pub fn is_flexible(self, version: i16) -> bool {
        version >= self.row().first_flexible
    }

    /// The version of the request header: 0 without client id (ControlledShutdown v0 only), 1, or 2 with tags.
    #[must_use]
    pub fn request_header_version(self, version: i16) -> i16 {
        match self {
            Self::ControlledShutdown if version == 0 => 0,
            _ if self.is_flexible(version) => 2,
            _ => 1,
        }
    }

    /// The version of the response header: 1 with tags in flexible versions, but always 0 for ApiVersions, whose
    /// answer is read by clients who do not know yet what we speak.
    #[must_use]
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != Self::ApiVersions && self.is_flexible(version))
    }
}

impl TryFrom<i16> for ApiKey {
    type Error = i16;

    fn try_from(raw: i16) -> Result<Self, i16> {
        Self::from_i16(raw).ok_or(raw)
    }
}

impl From<ApiKey> for i16 {
    fn from(key: ApiKey) -> Self {
        key.to_i16()
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_at_its_own_number() {
        for (number, key) in (0_i16..).zip(ApiKey::all()) {
            assert_eq!(key.to_i16(), number);
            assert_eq!(ApiKey::from_i16(number), Some(key));
            assert_eq!(key.name(), format!("{key:?}"));
        }
        assert_eq!(ApiKey::from_i16(-1), None);
        assert_eq!(ApiKey::from_i16(95), None);
    }

    #[test]
    fn headers_follow_flexibility_but_for_two_apis() {
        assert_eq!(ApiKey::Produce.request_header_version(8), 1);
        assert_eq!(ApiKey::Produce.request_header_version(9), 2);
        assert_eq!(ApiKey::Produce.response_header_version(8), 0);
        assert_eq!(ApiKey::Produce.response_header_version(9), 1);
        assert_eq!(ApiKey::ApiVersions.request_header_version(3), 2);
        assert_eq!(ApiKey::ApiVersions.response_header_version(4), 0);
        assert_eq!(ApiKey::ControlledShutdown.request_header_version(0), 0);
        assert_eq!(ApiKey::ControlledShutdown.request_header_version(1), 1);
        assert_eq!(ApiKey::SaslHandshake.request_header_version(1), 1);
    }

    #[test]
    fn known_versions_reach_from_the_oldest_to_those_of_today() {
        let range = |key: ApiKey| (key.min_version(), key.max_version());
        assert_eq!(range(ApiKey::Produce), (Some(0), Some(13)));
        assert_eq!(range(ApiKey::Fetch), (Some(0), Some(18)));
        assert_eq!(range(ApiKey::InitProducerId), (Some(0), Some(5)));
        assert_eq!(range(ApiKey::Vote), (None, None));
        assert_eq!(ApiKey::SaslHandshake.first_flexible(), None);
    }
}
