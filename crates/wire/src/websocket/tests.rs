//! Frames cut anywhere, Close frames, and what is no frame.

use super::*;

/// A frame of so many bytes, masked.
fn frame(first: u8, bytes: usize) -> Vec<u8> {
    let mut frame = vec![first];
    match bytes {
        0..126 => frame.push(0x80 | bytes as u8),
        126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((bytes as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((bytes as u64).to_be_bytes());
        }
    }
    frame.extend([1, 2, 3, 4]);
    frame.extend(vec![0x88; bytes]);
    frame
}

#[test]
fn a_scanner_knows_where_frames_end_however_they_are_cut() {
    let frames = [
        frame(0x01, 0),
        frame(0x89, 125),
        frame(0x80, 126),
        frame(0xc2, 300),
        vec![0x8a, 0],
        vec![0x82, 2, 1, 2],
        frame(0x82, 70_000),
    ];
    let stream = frames.concat();
    for chunk_bytes in [1, 2, 3, 7, 127, 4096, stream.len()] {
        let mut scanner = FrameScanner::new();
        stream.chunks(chunk_bytes).for_each(|chunk| scanner.feed(chunk));
        assert_eq!((scanner.frames(), scanner.payload_bytes()), (7, 125 + 126 + 300 + 2 + 70_000));
        assert_eq!(scanner.position(), Position::Between);
    }
    let mut between = vec![0];
    for frame in &frames {
        between.push(between.last().copied().unwrap_or_default() + frame.len());
    }
    let mut scanner = FrameScanner::new();
    for at in 0..stream.len() {
        let expected = if between.contains(&at) { Position::Between } else { Position::Inside };
        assert_eq!(scanner.position(), expected, "at {at}");
        scanner.feed(&stream[at..=at]);
    }
}

#[test]
fn nothing_follows_a_close() {
    for masking in [Masking::Clear, Masking::Key([9, 8, 7, 6])] {
        let mut bytes = Vec::new();
        write_close(CloseCode::GOING_AWAY, masking, &mut bytes);
        let mut scanner = FrameScanner::new();
        scanner.feed(&bytes[..bytes.len() - 1]);
        assert_eq!(scanner.position(), Position::Inside);
        scanner.feed(&bytes[bytes.len() - 1..]);
        assert_eq!(scanner.position(), Position::Closed);
        scanner.feed(&[0x82, 0]);
        assert_eq!((scanner.position(), scanner.frames()), (Position::Closed, 1));
    }
    let mut bytes = Vec::new();
    write_close(CloseCode::GOING_AWAY, Masking::Key([9, 8, 7, 6]), &mut bytes);
    assert_eq!(bytes, [0x88, 0x82, 9, 8, 7, 6, 3 ^ 9, 0xe9 ^ 8]);
}

#[test]
fn what_is_no_frame_loses_the_scanner() {
    let table: &[(&str, &[u8])] = &[
        ("opcode 3", &[0x83]),
        ("opcode 7", &[0x87]),
        ("opcode 11", &[0x8b]),
        ("opcode 15", &[0x8f]),
        ("fragmented ping", &[0x09]),
        ("ping of 126 bytes", &[0x89, 126, 0, 126]),
        ("length above 2^63", &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (name, bytes) in table {
        let mut scanner = FrameScanner::new();
        scanner.feed(bytes);
        assert_eq!(scanner.position(), Position::Lost, "{name}");
        scanner.feed(&[0x82, 0]);
        assert_eq!((scanner.position(), scanner.frames()), (Position::Lost, 0), "{name}");
    }
    // The longest length that there is.
    let mut scanner = FrameScanner::new();
    scanner.feed(&[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2]);
    assert_eq!((scanner.position(), scanner.payload_bytes()), (Position::Inside, 2));
}

/// Whoever puts a frame of his own between two others has to know where that is.
#[test]
fn a_frame_ends_where_it_ends() {
    let frames: [&[u8]; 3] =
        [&[0x89, 0], &[0x81, 3, b'a', b'b', b'c'], &[0x82, 0x81, 1, 2, 3, 4, 5]];
    let all = [frames.concat(), vec![0x88, 0, 7, 7]].concat();
    let mut scanner = FrameScanner::new();
    let mut rest = &all[..];
    for frame in frames {
        assert_eq!(scanner.feed_frame(rest), frame.len());
        assert_eq!(scanner.position(), Position::Between);
        rest = &rest[frame.len()..];
    }
    assert_eq!((scanner.feed_frame(rest), scanner.position()), (2, Position::Closed));
    assert_eq!(scanner.feed_frame(&rest[2..]), 2, "nothing is a frame behind a Close");
    let mut scanner = FrameScanner::new();
    assert_eq!((scanner.feed_frame(&[0x81, 9, 1]), scanner.position()), (3, Position::Inside));
    assert_eq!((scanner.feed_frame(&[0; 7]), scanner.position()), (7, Position::Inside));
    assert_eq!((scanner.feed_frame(&[0; 7]), scanner.position()), (1, Position::Between));
}
