//! Lines of an input that may be a terminal, a pipe or a file, and whether the next one would have to be waited for.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, BufRead};

/// Lines that were read and not taken yet.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// How much of them was taken.
    taken: usize,
    ended: bool,
}

impl Lines {
    /// Whether [`Lines::next`] may have to wait for somebody to type.
    #[must_use]
    pub fn would_wait(&self) -> bool {
        !self.ended && !self.rest().contains(&b'\n') && !is_ready()
    }

    /// The next line without its end; bytes that are no UTF-8 become U+FFFD. `None` at the end of the input.
    ///
    /// # Errors
    ///
    /// If the input cannot be read.
    pub fn next(&mut self, input: &mut dyn BufRead) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.rest().iter().position(|byte| *byte == b'\n') {
                let line = &self.rest()[..end];
                let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
                self.taken += end + 1;
                return Ok(Some(line));
            }
            if self.ended {
                let line = String::from_utf8_lossy(self.rest()).into_owned();
                self.taken = self.bytes.len();
                return Ok(Some(line).filter(|line| !line.is_empty()));
            }
            self.bytes.drain(..self.taken);
            self.taken = 0;
            let more = match input.fill_buf() {
                Ok(more) => more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let count = more.len();
            self.bytes.extend_from_slice(more);
            input.consume(count);
            self.ended = count == 0;
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }
}

/// Whether standard input has something now, or has ended.
fn is_ready() -> bool {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn lines_come_without_their_ends_and_the_last_one_may_have_none() {
        let mut lines = Lines::default();
        let mut input = std::io::BufReader::with_capacity(3, &b"a\r\n\nlong line\nlast"[..]);
        let mut read = Vec::new();
        while let Some(line) = lines.next(&mut input).unwrap() {
            read.push(line);
        }
        assert_eq!(read, ["a", "", "long line", "last"]);
    }

    #[test]
    fn what_was_read_already_is_not_waited_for() {
        let mut lines = Lines::default();
        let mut input = &b"a\nb\n"[..];
        assert_eq!(lines.next(&mut input).unwrap().as_deref(), Some("a"));
        assert!(!lines.would_wait());
    }
}
