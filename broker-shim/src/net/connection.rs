//! One connection from accept to close.
//!
//! ```text
//!            +-- frame whole, may start --> started, not over --+
//!   reading -+                                                  +--> answered in order --> written --> reading
//!            +-- frame whole, must wait (stays in the buffer) --+
//! ```
//!
//! While requests are open the socket is read no further than [`READ_AHEAD`], which also is how a peer that goes
//! away is noticed. A peer that only shut down its sending side gets the answers of [`HALF_CLOSED`].

use super::budget::{Budget, FREE, Share};
use super::close::CloseReason;
use super::frame::FrameReader;
use super::reply::{Part, Traffic, WriteError, write};
use super::{Call, ConnectionContext, Limits, MAX_PIPELINED, Outcome, Pending, Service};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes read ahead of requests that are not answered yet.
const READ_AHEAD: usize = FREE;
/// How long open requests of a peer that sends no more may still take.
const HALF_CLOSED: Duration = Duration::from_secs(5);

/// What connections of one server share.
pub(crate) struct Shared {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) limits: Limits,
    pub(crate) budget: Budget,
    pub(crate) traffic: Arc<Traffic>,
}

/// A request that has started; its answer waits for those before it.
struct Open {
    call: Call,
    api_key: i16,
    started: Instant,
    /// Nothing may start before it is over.
    exclusive: bool,
    /// Its part of the budget, given back when it is over.
    _share: Option<Share>,
}

/// One connection's state.
pub(crate) struct Connection {
    stream: TcpStream,
    context: Arc<ConnectionContext>,
    shared: Arc<Shared>,
    reader: FrameReader,
    /// The budget's share of the frame being received.
    share: Option<Share>,
    open: VecDeque<Open>,
    out: VecDeque<Part>,
    stopping: watch::Receiver<bool>,
    /// Whole requests seen so far.
    requests: u64,
    /// The last moment something moved.
    active: Instant,
    /// When `active` last counted for the frame being received, and how much of it was there.
    progress: (Instant, usize),
    /// The peer sends no more, since then.
    half_closed: Option<Instant>,
}

/// What a wait ended with.
enum Event {
    Answers(Vec<Outcome>),
    Read(std::io::Result<usize>),
    Share(Share),
    Tick,
    Stop,
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        context: Arc<ConnectionContext>,
        shared: Arc<Shared>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let now = Instant::now();
        Self {
            stream,
            context,
            reader: FrameReader::new(shared.limits.request_max_bytes),
            shared,
            share: None,
            open: VecDeque::new(),
            out: VecDeque::new(),
            stopping,
            requests: 0,
            active: now,
            progress: (now, 0),
            half_closed: None,
        }
    }

    /// Serves the connection until it ends; says why.
    pub(crate) async fn run(mut self) -> CloseReason {
        let timer = sleep_until(self.deadline());
        tokio::pin!(timer);
        loop {
            let step = self.step(timer.as_mut()).await;
            if let Err(reason) = step {
                return reason;
            }
        }
    }

    /// Starts what may start, waits for one thing to happen, and deals with it.
    async fn step(&mut self, timer: std::pin::Pin<&mut Sleep>) -> Result<(), CloseReason> {
        self.start_requests()?;
        if !self.out.is_empty() || matches!(self.open.front(), Some(Open { call: Call::Done(_), .. })) {
            return self.answer(Vec::new()).await;
        }
        if self.is_over() {
            return Err(if self.half_closed.is_some() { self.left() } else { CloseReason::Shutdown });
        }
        match self.wait(timer).await {
            Event::Answers(outcomes) => self.answer(outcomes).await,
            Event::Read(result) => self.received(result),
            Event::Share(share) => {
                self.share = Some(share);
                self.progress = (Instant::now(), self.reader.buffered());
                Ok(())
            }
            Event::Tick => self.check_deadlines(),
            // Seen by `is_over` in the next step.
            Event::Stop => Ok(()),
        }
    }

    /// Nothing is open and nothing will come.
    fn is_over(&self) -> bool {
        self.open.is_empty() && (self.half_closed.is_some() || *self.stopping.borrow())
    }

    /// Hands whole frames to the service, as far as the order of requests allows.
    fn start_requests(&mut self) -> Result<(), CloseReason> {
        while !*self.stopping.borrow() && self.may_start() {
            let frame = self.reader.take().map_err(|e| self.frame_error(e))?;
            let Some(frame) = frame else { return Ok(()) };
            let api_key = api_key_of(frame.get(..2));
            let exclusive = !api_key.is_some_and(|key| self.shared.service.may_pipeline(key));
            let started = Instant::now();
            self.requests += 1;
            let share = self.share.take();
            let call = self.shared.service.call(&self.context, frame);
            let now = Instant::now();
            // A request without a key is refused: nobody counts it.
            let api_key = api_key.unwrap_or(i16::MIN);
            if let Call::Done(outcome) = &call {
                self.shared.service.done(api_key, now - started, outcome);
            }
            // A pipelined request has taken effect: nothing of its frame is needed any more.
            let share = share.filter(|_| exclusive);
            self.open.push_back(Open { call, api_key, started, exclusive, _share: share });
            self.progress = (now, self.reader.buffered());
        }
        Ok(())
    }

    /// Whether the next frame may start beside those that are open.
    fn may_start(&self) -> bool {
        let next = self.reader.next_api_key().map(i16::to_be_bytes);
        match self.open.back() {
            None => true,
            Some(Open { exclusive: true, .. }) => false,
            Some(_) => {
                self.open.len() < MAX_PIPELINED && self.is_pipelined(next.as_ref().map(<[u8; 2]>::as_slice))
            }
        }
    }

    fn is_pipelined(&self, api_key: Option<&[u8]>) -> bool {
        api_key_of(api_key).is_some_and(|key| self.shared.service.may_pipeline(key))
    }

    fn frame_error(&self, error: super::frame::FrameError) -> CloseReason {
        CloseReason::frame(error, self.shared.limits.request_max_bytes, self.reader.peek())
    }

    /// Waits until the first open request is over, bytes are there, or time is up.
    async fn wait(&mut self, mut timer: std::pin::Pin<&mut Sleep>) -> Event {
        let deadline = self.deadline();
        if deadline < timer.deadline() || timer.is_elapsed() {
            timer.as_mut().reset(deadline);
        }
        let wants = self.wants();
        let needed = self.reader.needed().ok().flatten().unwrap_or(0);
        let Self { stream, reader, open, shared, stopping, .. } = self;
        tokio::select! {
            biased;
            outcomes = poll_fn(|cx| poll_answers(open, &*shared.service, cx)), if !open.is_empty() => Event::Answers(outcomes),
            result = fill(stream, reader), if wants == Wants::Bytes => Event::Read(result),
            share = shared.budget.take(needed), if wants == Wants::Share => {
                Event::Share(share)
            }
            () = timer => Event::Tick,
            _ = stopping.wait_for(|stop| *stop), if open.is_empty() => Event::Stop,
        }
    }

    /// What the connection may take in now.
    fn wants(&self) -> Wants {
        let needed = self.reader.needed().ok().flatten().unwrap_or(0);
        let buffered = self.reader.buffered();
        let whole = needed > 0 && buffered >= needed;
        if self.half_closed.is_some() || (buffered >= READ_AHEAD && (whole || !self.may_start())) {
            // What is there waits for its turn.
            Wants::Nothing
        } else if !whole && needed > FREE && buffered >= FREE && self.share.is_none() {
            Wants::Share
        } else {
            Wants::Bytes
        }
    }

    fn received(&mut self, result: std::io::Result<usize>) -> Result<(), CloseReason> {
        let n = result.map_err(|_| CloseReason::Peer)?;
        if n == 0 {
            if self.open.is_empty() {
                return Err(self.left());
            }
            self.half_closed = Some(Instant::now());
            return Ok(());
        }
        Traffic::count(&self.shared.traffic.reads, &self.shared.traffic.bytes_in, n);
        self.active = Instant::now();
        // A frame goes on when it gains as much as a fast peer sends at once, not with every byte.
        let gained = self.reader.buffered().saturating_sub(self.progress.1);
        if gained >= FREE || self.reader.buffered() == n {
            self.progress = (self.active, self.reader.buffered());
        }
        self.reader.needed().map(|_| ()).map_err(|e| self.frame_error(e))
    }

    /// Writes `outcomes` and all answers that are ready behind them.
    async fn answer(&mut self, outcomes: Vec<Outcome>) -> Result<(), CloseReason> {
        let mut close = None;
        for outcome in outcomes {
            close = close.or_else(|| self.queue(outcome));
        }
        while close.is_none() && matches!(self.open.front(), Some(Open { call: Call::Done(_), .. })) {
            if let Some(Open { call: Call::Done(outcome), .. }) = self.open.pop_front() {
                close = self.queue(outcome);
            }
        }
        let written =
            write(&self.stream, &mut self.out, &self.shared.traffic, self.shared.limits.max_idle).await;
        self.active = Instant::now();
        written.map_err(|e| match e {
            WriteError::Peer => CloseReason::Peer,
            WriteError::Stalled => CloseReason::Idle,
            WriteError::Storage(e) => CloseReason::Storage(e.to_string()),
        })?;
        close.map_or(Ok(()), Err)
    }

    fn queue(&mut self, outcome: Outcome) -> Option<CloseReason> {
        match outcome {
            Outcome::Respond(reply) => self.out.extend(reply.into_parts()),
            Outcome::NoResponse => {}
            Outcome::Close(reason) => return Some(reason),
        }
        None
    }

    /// Whether a frame was begun and is not whole.
    fn is_mid_frame(&self) -> Option<usize> {
        let needed = self.reader.needed().ok().flatten().unwrap_or(super::frame::SIZE_LEN);
        (self.reader.buffered() > 0 && self.reader.buffered() < needed).then_some(needed)
    }

    /// Why the connection of a peer ends that sends no more: a frame that was begun will never be whole.
    fn left(&self) -> CloseReason {
        match self.is_mid_frame() {
            Some(needed) => CloseReason::Truncated { received: self.reader.buffered(), needed },
            None => CloseReason::Peer,
        }
    }

    /// When to look at the clock again, if nothing happens.
    fn deadline(&self) -> Instant {
        let idle = self.active + self.shared.limits.max_idle;
        let stalled = self.is_mid_frame().map(|_| self.progress.0 + self.shared.limits.stalled);
        let half_closed = self.half_closed.map(|since| since + HALF_CLOSED);
        let now = Instant::now();
        // What is past and did not close the connection is looked at again after a while.
        [Some(idle), stalled, half_closed]
            .into_iter()
            .flatten()
            .map(|at| if at <= now { now + Duration::from_secs(1) } else { at })
            .min()
            .unwrap_or(idle)
    }

    fn check_deadlines(&self) -> Result<(), CloseReason> {
        let now = Instant::now();
        if self.half_closed.is_some_and(|since| now >= since + HALF_CLOSED) {
            return Err(self.left());
        }
        if let Some(needed) = self.is_mid_frame() {
            let matters = self.requests == 0 || self.shared.budget.under_pressure();
            // Whoever waits for its share of the budget is held up by us.
            if matters
                && self.wants() == Wants::Bytes
                && self.open.is_empty()
                && now >= self.progress.0 + self.shared.limits.stalled
            {
                return Err(CloseReason::Stalled { received: self.reader.buffered(), needed });
            }
        }
        if self.open.is_empty() && now >= self.active + self.shared.limits.max_idle {
            return Err(CloseReason::Idle);
        }
        Ok(())
    }
}

fn api_key_of(start: Option<&[u8]>) -> Option<i16> {
    start.and_then(|bytes| bytes.try_into().ok()).map(i16::from_be_bytes)
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Wants {
    Bytes,
    Share,
    Nothing,
}

/// Reads what is there; an idle connection waits without a buffer. Safe to give up at any time.
async fn fill(stream: &mut TcpStream, reader: &mut FrameReader) -> std::io::Result<usize> {
    if reader.buffered() == 0 {
        stream.readable().await?;
    }
    stream.read_buf(reader.with_room()).await
}

/// The outcomes at the front of the queue that are ready now; pending if there is none.
fn poll_answers(
    open: &mut VecDeque<Open>,
    service: &dyn Service,
    cx: &mut Context<'_>,
) -> Poll<Vec<Outcome>> {
    let mut ready = Vec::new();
    while let Some(front) = open.front_mut() {
        if let Call::Pending(pending) = &mut front.call {
            let pending: &mut Pending = pending;
            match pending.as_mut().poll(cx) {
                Poll::Ready(outcome) => {
                    service.done(front.api_key, front.started.elapsed(), &outcome);
                    front.call = Call::Done(outcome);
                }
                Poll::Pending => break,
            }
        }
        if let Some(Open { call: Call::Done(outcome), .. }) = open.pop_front() {
            ready.push(outcome);
        }
    }
    if ready.is_empty() { Poll::Pending } else { Poll::Ready(ready) }
}
