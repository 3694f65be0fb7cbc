//! A WebSocket on its way through: where both directions stand, and how far its end has come.
//!
//! A tunnel passes bytes and knows nothing of them. A gateway that drains has to say so between two frames
//! (RFC 6455 §5.5.1), so the headers of the frames are looked at as they go by; payload is not. Once we have
//! said Close in a direction nothing follows it there; what still comes is read for the answer and dropped.
//! No socket here: `worker/websocket.rs` sends what this decides.

use narrows_wire::Time;
use narrows_wire::websocket::{FrameScanner, Position};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the node.
    ToNode,
    /// From the node to the client.
    ToClient,
}

/// A tunnel of frames.
#[derive(Debug)]
pub struct WebSocket {
    to_node: Way,
    to_client: Way,
    /// When both sides have to be done with closing; [`Time::NEVER`]: nothing closes.
    pub until: Time,
    /// Whether our directions have been ended.
    pub is_ended: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    frames: FrameScanner,
    close: Close,
}

/// Our Close in a direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Close {
    /// It is not wanted.
    #[default]
    None,
    /// It follows the frame that goes by.
    Due,
    /// It has been said, by us or by the other side: nothing follows it.
    Said,
}

/// What becomes of bytes while a tunnel closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// So many of them go on.
    pub passed: usize,
    /// What is said behind them.
    pub word: Word,
}

/// Whether a Close is to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It is.
    Close,
    /// It is not, or not now.
    None,
}

// === impl WebSocket ===

impl WebSocket {
    /// A tunnel that is asked for.
    pub fn new() -> Self {
        let (to_node, to_client) = Default::default();
        Self { to_node, to_client, until: Time::NEVER, is_ended: false }
    }

    /// Whether it is being closed by us.
    pub fn is_closing(&self) -> bool {
        self.until != Time::NEVER
    }

    /// Looks at bytes that go by.
    pub fn watch(&mut self, direction: Direction, data: &[u8]) {
        self.way(direction).frames.feed(data);
    }

    /// Begins to close, which has to be over at `until`. Gives what is said at once in each direction.
    pub fn close(&mut self, until: Time) -> [(Direction, Word); 2] {
        self.until = until;
        [Direction::ToNode, Direction::ToClient]
            .map(|direction| (direction, self.way(direction).close()))
    }

    /// Decides about bytes that come while it closes.
    pub fn cut(&mut self, direction: Direction, data: &[u8]) -> Cut {
        self.way(direction).cut(data)
    }

    /// Whether the side that speaks in this direction has said its Close.
    pub fn is_closed(&self, direction: Direction) -> bool {
        let way = match direction {
            Direction::ToNode => &self.to_node,
            Direction::ToClient => &self.to_client,
        };
        way.frames.position() == Position::Closed
    }

    fn way(&mut self, direction: Direction) -> &mut Way {
        match direction {
            Direction::ToNode => &mut self.to_node,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

impl Default for WebSocket {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Way ===

impl Way {
    fn close(&mut self) -> Word {
        let (close, word) = match self.frames.position() {
            Position::Between => (Close::Said, Word::Close),
            Position::Closed => (Close::Said, Word::None),
            // Behind what are no frames nothing can be said; time ends it.
            Position::Inside | Position::Lost => (Close::Due, Word::None),
        };
        self.close = close;
        word
    }

    fn cut(&mut self, data: &[u8]) -> Cut {
        if self.close == Close::Said {
            self.frames.feed(data);
            return Cut { passed: 0, word: Word::None };
        }
        let passed = self.frames.feed_frame(data);
        let (close, word) = match self.frames.position() {
            Position::Between => (Close::Said, Word::Close),
            Position::Closed => (Close::Said, Word::None),
            Position::Inside | Position::Lost => (Close::Due, Word::None),
        };
        self.close = close;
        self.frames.feed(data.get(passed..).unwrap_or_default());
        Cut { passed, word }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: &[u8] = &[0x89, 0];
    const TEXT: &[u8] = &[0x81, 3, b'a', b'b', b'c'];
    const CLOSE: &[u8] = &[0x88, 2, 3, 0xe8];

    fn later() -> Time {
        Time::from_nanos(1)
    }

    #[test]
    fn between_frames_it_is_said_at_once_and_nothing_follows() {
        let mut tunnel = WebSocket::new();
        tunnel.watch(Direction::ToNode, TEXT);
        let said = tunnel.close(later());
        assert_eq!(said, [(Direction::ToNode, Word::Close), (Direction::ToClient, Word::Close)]);
        let cut = tunnel.cut(Direction::ToNode, TEXT);
        assert_eq!(cut, Cut { passed: 0, word: Word::None });
        assert!(!tunnel.is_closed(Direction::ToNode));
        tunnel.cut(Direction::ToNode, CLOSE);
        assert!(tunnel.is_closed(Direction::ToNode), "the answer is seen");
    }

    #[test]
    fn inside_a_frame_it_is_said_behind_it() {
        let mut tunnel = WebSocket::new();
        tunnel.watch(Direction::ToClient, &TEXT[..3]);
        assert_eq!(tunnel.close(later())[1], (Direction::ToClient, Word::None));
        let cut = tunnel.cut(Direction::ToClient, &TEXT[3..4]);
        assert_eq!(cut, Cut { passed: 1, word: Word::None });
        let rest = [&TEXT[4..], PING, CLOSE].concat();
        let cut = tunnel.cut(Direction::ToClient, &rest);
        assert_eq!(cut, Cut { passed: 1, word: Word::Close });
        assert!(tunnel.is_closed(Direction::ToClient), "what is dropped is read");
    }

    #[test]
    fn behind_a_close_of_theirs_none_is_said() {
        let mut tunnel = WebSocket::new();
        tunnel.watch(Direction::ToNode, CLOSE);
        assert_eq!(tunnel.close(later())[0], (Direction::ToNode, Word::None));
        let mut tunnel = WebSocket::new();
        tunnel.watch(Direction::ToNode, &CLOSE[..1]);
        tunnel.close(later());
        let cut = tunnel.cut(Direction::ToNode, &CLOSE[1..]);
        assert_eq!(cut, Cut { passed: 3, word: Word::None });
    }

    /// Bytes that are no frames pass until the time is over.
    #[test]
    fn nothing_is_put_between_bytes_that_are_no_frames() {
        let mut tunnel = WebSocket::new();
        tunnel.watch(Direction::ToNode, b"\x03garbage");
        assert_eq!(tunnel.close(later())[0], (Direction::ToNode, Word::None));
        let cut = tunnel.cut(Direction::ToNode, b"more");
        assert_eq!(cut, Cut { passed: 4, word: Word::None });
    }
}
