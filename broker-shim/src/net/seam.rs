//! TEMPORARY.
use bytes::Bytes;
use std::io;
/// x
#[derive(Clone, Debug)]
pub struct FileSlice(Bytes);
impl FileSlice {
    /// x
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// x
    pub fn has_descriptor(&self) -> bool {
        false
    }
    /// x
    pub fn bytes(&self) -> io::Result<Bytes> {
        Ok(self.0.clone())
    }
    /// x
    pub fn send_to(&self, _: std::os::fd::BorrowedFd<'_>, _: usize, _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
