//! What the fuzz targets share: the allocator that counts, and a bound on what an input may make live.

use log_engine::io::PeakAllocator;

#[global_allocator]
static ALLOCATOR: PeakAllocator = PeakAllocator;

/// Does `work` on an input of `len` bytes and holds it to a peak of `times` the input and `more` bytes.
///
/// # Panics
///
/// If it asked for more.
pub fn bounded<T>(len: usize, times: usize, more: usize, work: impl FnOnce() -> T) -> T {
    let (outcome, peak) = PeakAllocator::peak_of(work);
    let bound = times * len + more;
    assert!(peak <= bound, "{len} bytes of input made {peak} bytes live, at most {bound} are expected");
    outcome
}

/// Takes small numbers off the front of an input; zeros when there is nothing left.
#[derive(Debug)]
pub struct Numbers<'a>(pub &'a [u8]);

impl Numbers<'_> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
