//! Does any frame make the request decoder panic, or ask for memory out of proportion to its size?
//!
//! The input is a frame without its size. A counting allocator holds the decoder to the bound that the reader
//! documents: eight times the input and 64 KiB (and once the input for the copy that is made here).
#![no_main]

use bytes::Bytes;
use corrente_fuzz::bounded;
use kafka_wire::RequestHeader;
use kafka_wire::messages::MESSAGES;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    bounded(data.len(), 9, 64 * 1024, || {
        let Ok((header, body)) = RequestHeader::split(Bytes::copy_from_slice(data)) else { return };
        if let Some(info) = MESSAGES.iter().find(|m| m.key == Some(header.key) && m.name.ends_with("Request"))
            && info.versions.contains(header.version)
        {
            // A body that decodes must also survive being written again.
            let _ = (info.check)(body.clone(), header.version);
        }
    });
});
