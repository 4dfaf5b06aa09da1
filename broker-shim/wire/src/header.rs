//! Headers and whole frames.
//!
//! ```text
//!  request   i32 size | api_key i16 | api_version i16 | correlation_id i32 | client_id i16 + bytes | tags (v2) | body
//!  response  i32 size | correlation_id i32 | tags (v1) | body
//! ```
//!
//! The client id has the classic form in every header version. A request of an API or version that the codec does not
//! know is an error here, but for ApiVersions: its header is read whatever version it names, since the answer to a
//! too new one (error 35, in the form of version 0) needs nothing but the correlation id.

use crate::api_key::ApiKey;
use crate::error::{DecodeError, EncodeError, Problem};
use crate::message::{Request, Response, Versions};
use crate::reader::Reader;
use crate::writer::{Segment, Writer};
use bytes::Bytes;

/// What stands before every request body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestHeader {
    /// Which API.
    pub key: ApiKey,
    /// Which version of it. One that the codec knows, unless [`Self::is_known`] says otherwise.
    pub version: i16,
    /// Returned with the answer.
    pub correlation_id: i32,
    /// What the client calls itself; absent in header version 0.
    pub client_id: Option<String>,
}

impl RequestHeader {
    /// Splits a frame (without its size) into header and body.
    ///
    /// # Errors
    ///
    /// An unknown key, a version without messages here (but for ApiVersions), bytes that end too early: for all of
    /// them the connection is closed without an answer.
    pub fn split(frame: Bytes) -> Result<(Self, Bytes), DecodeError> {
        let mut reader = Reader::new(frame);
        let header = Self::decode(&mut reader)?;
        Ok((header, reader.into_rest()))
    }

    /// Reads a header and leaves the reader at the body.
    pub fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        r.begin(HEADER, 1, header_versions(1))?;
        let raw = r.i16("api_key")?;
        let key = ApiKey::from_i16(raw).ok_or_else(|| r.error("api_key", Problem::ApiKey(raw)))?;
        let version = r.i16("api_version")?;
        let known = key.versions().unwrap_or(Versions::new(0, -1, i16::MAX));
        if !known.contains(version) && (key != ApiKey::ApiVersions || version < 0) {
            let problem = Problem::Version { min: known.min, max: known.max };
            return Err(DecodeError { message: key.name(), version, ..r.error("api_version", problem) });
        }
        let correlation_id = r.i32("correlation_id")?;
        let header_version = key.request_header_version(version);
        let client_id = if header_version >= 1 { r.nullable_string("client_id")? } else { None };
        if header_version >= 2 {
            r.begin(HEADER, header_version, header_versions(2))?;
            r.skip_tags()?;
        }
        Ok(Self { key, version, correlation_id, client_id })
    }

    /// Whether the codec knows the version: false only for a too new ApiVersions.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.key.versions().is_some_and(|versions| versions.contains(self.version))
    }

    fn encode(&self, w: &mut Writer) {
        let header_version = self.key.request_header_version(self.version);
        w.begin(HEADER, header_version, header_versions(i16::MAX), true);
        w.i16(self.key.to_i16());
        w.i16(self.version);
        w.i32(self.correlation_id);
        if header_version >= 1 {
            w.nullable_string("client_id", self.client_id.as_deref());
        }
        if header_version >= 2 {
            w.begin(HEADER, header_version, header_versions(2), true);
            w.no_tags();
        }
    }
}

const HEADER: &str = "RequestHeader";

/// Header versions with the form of their lengths: the client id is classic where the tag section is not.
const fn header_versions(first_flexible: i16) -> Versions {
    Versions::new(0, 2, if first_flexible == 1 { i16::MAX } else { first_flexible })
}

/// A whole request frame, with its size. `header.version` is that of the body.
pub fn request_frame<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: &R,
) -> Result<Vec<Segment>, EncodeError> {
    let client_id = client_id.map(str::to_owned);
    let header = RequestHeader { key: R::KEY, version, correlation_id, client_id };
    let mut w = Writer::framed();
    header.encode(&mut w);
    body.encode(&mut w, version);
    w.finish_frame()
}

/// A whole response frame, with its size.
pub fn response_frame<R: Response>(
    version: i16,
    correlation_id: i32,
    body: &R,
) -> Result<Vec<Segment>, EncodeError> {
    Ok(response_frame_with_codes(version, correlation_id, body)?.0)
}

/// A whole response frame, and the error codes other than 0 that stand in it, for whoever counts them.
pub fn response_frame_with_codes<R: Response>(
    version: i16,
    correlation_id: i32,
    body: &R,
) -> Result<(Vec<Segment>, Vec<i16>), EncodeError> {
    let mut w = Writer::framed();
    w.i32(correlation_id);
    if R::KEY.response_header_version(version) >= 1 {
        w.uvarint(0);
    }
    body.encode(&mut w, version);
    w.finish_frame_with_codes()
}

/// Splits a response frame (without its size) into correlation id and body: for clients and tests.
pub fn split_response(key: ApiKey, version: i16, frame: Bytes) -> Result<(i32, Bytes), DecodeError> {
    let mut r = Reader::new(frame);
    let header_version = key.response_header_version(version);
    r.begin("ResponseHeader", header_version, Versions::new(0, 1, 1))?;
    let correlation_id = r.i32("correlation_id")?;
    r.skip_tags()?;
    Ok((correlation_id, r.into_rest()))
}

#[cfg(test)]
mod tests;
