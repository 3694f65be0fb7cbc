//! The end of a stream whose reply is complete before its request.
//!
//! RFC 9113 §8.1 lets a server reset such a stream with NO_ERROR, and has clients keep the reply. Some that are in use
//! do not: a reset right behind the reply makes them forget it. So the rest of the request is read and dropped, as
//! far as it comes in time and is not too much, and in most cases the stream ends by itself.

use super::Connection;
use crate::Time;
use crate::codec::{ErrorCode, Role, StreamKey};
use crate::h2::lingering::Lingering;
use crate::h2::streams::NO_LENGTH;
use crate::h2::timers::Timer;

// === impl Connection ===

impl Connection {
    /// All that we have to say on a stream is said.
    pub(super) fn end_after_reply(&mut self, key: StreamKey, code: ErrorCode) {
        let bytes_left = self.config.linger_bytes_max;
        let most = u64::from(bytes_left.min(self.credit.open()));
        let Some(stream) = self.streams.get_mut(key) else { return };
        let lingers = self.role == Role::Server
            && code == ErrorCode::NO_ERROR
            && stream.state.is_sent()
            && bytes_left > 0
            // What is known to be too much is stopped at once: who reads nothing more would wait for ever.
            && (stream.content_left == NO_LENGTH || stream.content_left <= most);
        if !lingers {
            return self.reset(key, code);
        }
        stream.flags.discards = true;
        stream.lingering = Some(Box::new(Lingering { code, bytes_left, until: None }));
        // Nobody takes what the peer has sent so far. It gets all of the window at once, right behind the reply: some
        // clients read nothing more of the connection once they have that, and would wait for credit for ever.
        stream.credit.refund();
        stream.credit.enlarge(stream.credit.size().saturating_add(bytes_left));
        let ungranted = std::mem::take(&mut stream.ungranted);
        self.owe_stream(key, 0);
        self.ungrant(u64::from(ungranted));
        if !self.timers.is_set(Timer::Linger) {
            self.timers.set(Timer::Linger, self.now);
        }
    }

    /// So many bytes of a request came that nobody wants.
    #[cold]
    pub(super) fn linger(&mut self, key: StreamKey, bytes: u32) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let Some(lingering) = &mut stream.lingering else { return };
        match lingering.bytes_left.checked_sub(bytes) {
            Some(left) => lingering.bytes_left = left,
            None => {
                let code = lingering.code;
                self.reset(key, code);
            }
        }
    }

    /// Resets the streams whose peers have had the time to end them.
    pub(super) fn end_lingering(&mut self) {
        let (now, timeout) = (self.now, self.config.linger_timeout);
        let mut next = Time::NEVER;
        for key in self.streams.keys(|stream| stream.lingering.is_some()) {
            let Some(stream) = self.streams.get_mut(key) else { continue };
            let Some(lingering) = &mut stream.lingering else { continue };
            let until = *lingering.until.get_or_insert(now + timeout);
            if until > now {
                next = next.min(until);
                continue;
            }
            let code = lingering.code;
            self.reset(key, code);
        }
        self.timers.set(Timer::Linger, next);
    }
}
