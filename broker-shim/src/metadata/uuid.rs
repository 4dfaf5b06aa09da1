//! Ids of 16 random bytes, written as 22 characters of URL-safe base64 without padding: topics, the cluster, directories.

use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 16 bytes. All zero stands for "none" on the wire.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// The wire's "none".
    pub const ZERO: Self = Self([0; 16]);

    /// A new one: version 4, never one whose text starts with `-` (tools would take it for an option).
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give.
    #[must_use]
    pub fn random() -> Self {
        loop {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
            bytes[6] = (bytes[6] & 0x0f) | 0x40;
            bytes[8] = (bytes[8] & 0x3f) | 0x80;
            let id = Self(bytes);
            if !id.to_string().starts_with('-') {
                return id;
            }
        }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        // 22 characters of 6 bits hold 132: the last has its low 4 bits zero.
        for position in 0..22_u32 {
            let bits = if position < 21 { number >> (122 - 6 * position) } else { number << 4 };
            let index = usize::try_from(bits & 0x3f).expect("six bits");
            write!(f, "{}", char::from(ALPHABET[index]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "22 characters of URL-safe base64";
        if text.len() != 22 {
            return Err(EXPECTED);
        }
        let mut number = 0_u128;
        for (position, byte) in text.bytes().enumerate() {
            let value = ALPHABET.iter().position(|c| *c == byte).ok_or(EXPECTED)?;
            let value = u128::try_from(value).map_err(|_| EXPECTED)?;
            if position < 21 {
                number = number << 6 | value;
            } else if value & 0x0f == 0 {
                number = number << 2 | value >> 4;
            } else {
                return Err(EXPECTED);
            }
        }
        Ok(Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_that_of_kafka() {
        // A cluster id that Apache Kafka made, decoded by another base64.
        let bytes =
            [0xe3, 0xa8, 0xf9, 0x32, 0x7d, 0x3b, 0x42, 0xff, 0x9b, 0x18, 0x8d, 0x73, 0xf3, 0x4b, 0xf6, 0xc3];
        let text = "46j5Mn07Qv-bGI1z80v2ww";
        assert_eq!(Uuid(bytes).to_string(), text);
        assert_eq!(text.parse(), Ok(Uuid(bytes)));
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
    }

    #[test]
    fn every_text_comes_back() {
        for _ in 0..100 {
            let id = Uuid::random();
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!((id.0[6] >> 4, id.0[8] >> 6), (4, 2));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAA+A",
            "AAAAAAAAAAAAAAAAAAAAAB",
        ] {
            assert!(text.parse::<Uuid>().is_err(), "{text}");
        }
    }
}
