//! Every message in every version: what the schema allows is read, and written again byte for byte.

mod sample;

use kafka_wire::Unencodable;
use kafka_wire::messages::MESSAGES;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_schema_allows_is_read_and_written_again(entropy in vec(any::<u8>(), 0..600)) {
        for info in MESSAGES {
            for version in info.versions.min..=info.versions.max {
                let body = sample::body(sample::find(info.name), version, &entropy);
                let again = (info.recode)(body.clone(), version);
                prop_assert_eq!(again, Ok(Ok(body)), "{} v{}", info.name, version);
            }
        }
    }

    #[test]
    fn a_cut_or_lengthened_body_is_an_error(entropy in vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
        for info in MESSAGES {
            for version in info.versions.min..=info.versions.max {
                let body = sample::body(sample::find(info.name), version, &entropy);
                if !body.is_empty() {
                    let shorter = body.slice(..cut.index(body.len()));
                    prop_assert!((info.check)(shorter, version).is_err(), "{} v{} cut", info.name, version);
                }
                let longer = [&body[..], &[0]].concat();
                prop_assert!((info.check)(longer.into(), version).is_err(), "{} v{} longer", info.name, version);
            }
        }
    }
}

#[test]
fn defaults_can_be_sent_in_every_version() {
    for info in MESSAGES {
        for version in info.versions.min..=info.versions.max {
            let body = match (info.default_body)(version) {
                // "All topics" is null, and the oldest versions have no null.
                Err(e) if matches!(info.name, "MetadataRequest" | "OffsetFetchRequest") && version <= 1 => {
                    assert_eq!((e.field, e.problem), ("topics", Unencodable::Null));
                    continue;
                }
                other => other.unwrap(),
            };
            assert_eq!((info.recode)(body.clone(), version), Ok(Ok(body)), "{} v{version}", info.name);
        }
        for version in [info.versions.min - 1, info.versions.max + 1] {
            assert!((info.default_body)(version).is_err(), "{} v{version}", info.name);
        }
    }
}
