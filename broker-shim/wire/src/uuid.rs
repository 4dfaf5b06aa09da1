//! Ids of 16 bytes, as topics have them.

use std::fmt;
use std::str::FromStr;

/// Sixteen bytes; all zero means none. Displayed as Kafka does: 22 characters of URL-safe base64.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// No id.
    pub const ZERO: Self = Self([0; 16]);

    /// Whether this is no id.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl From<[u8; 16]> for Uuid {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<Uuid> for [u8; 16] {
    fn from(id: Uuid) -> Self {
        id.0
    }
}

/// URL-safe base64.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A text that is no id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an id has 22 letters, digits, - or _")]
pub struct NoUuid;

impl FromStr for Uuid {
    type Err = NoUuid;

    fn from_str(text: &str) -> Result<Self, NoUuid> {
        let mut bits: u128 = 0;
        let (last, first) = text.as_bytes().split_last().filter(|_| text.len() == 22).ok_or(NoUuid)?;
        let six = |byte: &u8| {
            let at = ALPHABET.iter().position(|letter| letter == byte).ok_or(NoUuid)?;
            u128::try_from(at).map_err(|_| NoUuid)
        };
        for byte in first {
            bits = bits << 6 | six(byte)?;
        }
        // 21 characters are 126 bits: of the last one only the first two of six count.
        bits = bits << 2 | six(last)? >> 4;
        Ok(Self(bits.to_be_bytes()))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(24);
        for group in self.0.chunks(3) {
            let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for shift in [18, 12, 6, 0] {
                let six = usize::try_from(bits >> shift & 0x3f).unwrap_or_default();
                text.push(char::from(ALPHABET[six]));
            }
        }
        // 16 bytes are 22 characters; the last group of one byte made two too many.
        f.write_str(&text[..22])
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_in_partition_metadata() {
        let id = Uuid([
            0x79, 0x22, 0xea, 0x1b, 0x7e, 0xe4, 0x4e, 0xd5, 0x98, 0x05, 0x82, 0x2c, 0x9a, 0xf2, 0xee, 0x4a,
        ]);
        assert_eq!(id.to_string().len(), 22);
        assert_eq!(id.to_string(), "eSLqG37kTtWYBYIsmvLuSg");
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!("eSLqG37kTtWYBYIsmvLuSg".parse(), Ok(id));
        assert_eq!(Uuid([0xff; 16]).to_string().parse(), Ok(Uuid([0xff; 16])));
        for text in ["", "eSLqG37kTtWYBYIsmvLuS", "eSLqG37kTtWYBYIsmvLuSgg", "eSLqG37kTtWYBYIsmvLu+g"] {
            assert_eq!(text.parse::<Uuid>(), Err(NoUuid), "{text}");
        }
    }
}
