//! A link with a socket that takes everything.

use std::net::Ipv4Addr;

use narrows_wire::codec::{End, Role};
use narrows_wire::h1::{self, Scheme};
use narrows_wire::{Head, Indexing, Name};

use super::*;

/// A kernel with room for everything.
#[derive(Debug, Default)]
struct Room(Vec<u8>);

impl io::Read for Room {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.extend(slices.iter().flat_map(|slice| slice.iter()));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Room {
    fn connected(&mut self) -> Option<io::Result<()>> {
        Some(Ok(()))
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self) {}
}

/// What does not fit the slices of one write is not what the kernel has no room for: nothing would ever
/// report that there is some.
#[test]
fn more_ranges_than_slices_are_written_all_the_same() {
    const PIECE: usize = 2 << 10;
    let now = Time::ZERO;
    let config = Arc::new(h1::Config::default());
    let engine = h1::Connection::new(Role::Client, Scheme::Http, config, 0, now);
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let node = Side::Upstream(Key::unpack(1));
    let mut link = Link::new(Room::default(), node, peer, Codec::H1(engine), now, Time::NEVER);
    let mut head = Head::new();
    for (name, value) in [(Name::Method, "POST"), (Name::Authority, "a"), (Name::Path, "/")] {
        head.push(name, value.as_bytes(), Indexing::MayRepeat);
    }
    let stream = link.codec.open(now, 1, &head, End::Open).expect("a request");
    link.flush(&[]).expect("room");
    for pieces in 1..=2 * SLICES {
        let source = vec![b'x'; pieces * PIECE];
        for at in (0..source.len()).step_by(PIECE) {
            let range = at..at + PIECE;
            let data = &source[range.clone()];
            link.codec.send_data_borrowed(stream, range, data, End::Open);
        }
        link.flush(&source).expect("room");
        assert!(!link.blocked && link.codec.output().is_empty(), "{pieces} pieces");
    }
}
