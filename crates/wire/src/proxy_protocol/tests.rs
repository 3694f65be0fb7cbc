//! Headers of both versions: as they should be, cut anywhere, and wrong in every way that has a name.

use super::*;

fn endpoints(source: &str, destination: &str) -> Origin {
    let address = |text: &str| text.parse().expect("an address");
    Origin::Proxied(Endpoints { source: address(source), destination: address(destination) })
}

fn origin(input: &[u8]) -> Result<Origin, ProxyFault> {
    match parse(input)? {
        Progress::Parsed { header, .. } => Ok(header.origin),
        Progress::NeedMore => panic!("whole headers only"),
    }
}

/// A header of version 2: command, family, payload.
fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, family]);
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
    bytes
}

const V4: &[u8] = &[10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0x01, 0xbb];

#[test]
fn lines_of_version_1() {
    let v4 = endpoints("255.255.255.255:65535", "10.0.0.2:0");
    let v6 = endpoints("[2001:db8::1]:1", "[::]:443");
    let table: &[(&str, Result<Origin, ProxyFault>)] = &[
        ("PROXY TCP4 255.255.255.255 10.0.0.2 65535 0\r\n", Ok(v4)),
        ("PROXY TCP6 2001:db8::1 :: 1 443\r\n", Ok(v6)),
        ("PROXY UNKNOWN\r\n", Ok(Origin::Unknown)),
        ("PROXY UNKNOWN anything at  all\r\n", Ok(Origin::Unknown)),
        ("PROXY UNKNOWNX\r\n", Err(ProxyFault::Protocol)),
        ("PROXY tcp4 1.1.1.1 1.1.1.1 1 1\r\n", Err(ProxyFault::Protocol)),
        ("PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n", Err(ProxyFault::Protocol)),
        ("PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n", Err(ProxyFault::Protocol)),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", Err(ProxyFault::Words)),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n", Err(ProxyFault::Words)),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n", Err(ProxyFault::Words)),
        ("PROXY TCP4 1.1.1.1  1.1.1.1 1 1\r\n", Err(ProxyFault::Words)),
        ("PROXY TCP4 ::1 1.1.1.1 1 1\r\n", Err(ProxyFault::Address)),
        ("PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n", Err(ProxyFault::Address)),
        ("PROXY TCP6 1.1.1.1 ::1 1 1\r\n", Err(ProxyFault::Address)),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n", Err(ProxyFault::Port)),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n", Err(ProxyFault::Port)),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n", Err(ProxyFault::Port)),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 1 -1\r\n", Err(ProxyFault::Port)),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n", Err(ProxyFault::LineEnd)),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\rX", Err(ProxyFault::LineEnd)),
        ("PROXY\r\n", Err(ProxyFault::Absent)),
        ("proxy TCP4", Err(ProxyFault::Absent)),
        ("GET / HTTP/1.1\r\n", Err(ProxyFault::Absent)),
        ("PRI * HTTP/2.0\r\n", Err(ProxyFault::Absent)),
    ];
    for (line, expected) in table {
        assert_eq!(origin(line.as_bytes()), *expected, "{line:?}");
    }
}

#[test]
fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
    let line = |bytes: usize| format!("PROXY UNKNOWN{}\r\n", " ".repeat(bytes - 15));
    assert_eq!(origin(line(V1_BYTES_MAX).as_bytes()), Ok(Origin::Unknown));
    let beyond = line(V1_BYTES_MAX + 1);
    assert_eq!(parse(beyond.as_bytes()), Err(ProxyFault::LineTooLong));
    // It is known as soon as the last byte of the limit is there.
    let bytes = beyond.as_bytes();
    assert_eq!(parse(&bytes[..V1_BYTES_MAX - 1]), Ok(Progress::NeedMore));
    assert_eq!(parse(&bytes[..V1_BYTES_MAX]), Err(ProxyFault::LineTooLong));
}

#[test]
fn a_header_may_come_in_pieces_and_what_follows_is_not_touched() {
    let with_extensions = [V4, &tlv(1, b"h2"), &tlv(2, b"a.test"), &tlv(0xe0, b"?")].concat();
    let headers = [
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        v2(0x21, 0x11, &with_extensions),
        v2(0x20, 0, &[]),
    ];
    for header in headers {
        for cut in 0..header.len() {
            assert_eq!(parse(&header[..cut]), Ok(Progress::NeedMore), "cut at {cut}");
        }
        let followed = [&header[..], b"\x16\x03\x01"].concat();
        let Ok(Progress::Parsed { consumed, .. }) = parse(&followed) else { panic!("{header:?}") };
        assert_eq!(consumed, header.len());
    }
}

#[test]
fn headers_of_version_2() {
    let v4 = endpoints("10.0.0.1:12345", "10.0.0.2:443");
    let v6 = [[0x20; 16].as_slice(), &[0; 16], &[0, 1, 0, 2]].concat();
    let table: &[(&str, Vec<u8>, Result<Origin, ProxyFault>)] = &[
        ("tcp4", v2(0x21, 0x11, V4), Ok(v4)),
        (
            "tcp6",
            v2(0x21, 0x21, &v6),
            Ok(endpoints("[2020:2020:2020:2020:2020:2020:2020:2020]:1", "[::]:2")),
        ),
        ("local", v2(0x20, 0, &[]), Ok(Origin::Local)),
        ("local with anything", v2(0x20, 0xff, b"anything"), Ok(Origin::Local)),
        ("unspecified", v2(0x21, 0, b"anything"), Ok(Origin::Unknown)),
        ("unix", v2(0x21, 0x31, &[0; 216]), Ok(Origin::Unknown)),
        ("unix, short", v2(0x21, 0x31, &[0; 215]), Err(ProxyFault::PayloadTooShort)),
        ("udp4", v2(0x21, 0x12, V4), Err(ProxyFault::Family)),
        ("udp6", v2(0x21, 0x22, &v6), Err(ProxyFault::Family)),
        ("family 4", v2(0x21, 0x41, V4), Err(ProxyFault::Family)),
        ("short", v2(0x21, 0x11, &V4[..11]), Err(ProxyFault::PayloadTooShort)),
        ("tcp6, short", v2(0x21, 0x21, &v6[..35]), Err(ProxyFault::PayloadTooShort)),
        ("version 1", v2(0x11, 0x11, V4), Err(ProxyFault::Version)),
        ("version 3", v2(0x31, 0x11, V4), Err(ProxyFault::Version)),
        ("command", v2(0x22, 0x11, V4), Err(ProxyFault::Command)),
        ("signature", b"\r\n\r\n\0\r\nQUIX".to_vec(), Err(ProxyFault::Absent)),
        ("blank line", b"\r\nX".to_vec(), Err(ProxyFault::Absent)),
    ];
    for (name, bytes, expected) in table {
        assert_eq!(origin(bytes), *expected, "{name}");
    }
}

#[test]
fn a_payload_may_be_as_long_as_the_limit_and_no_longer() {
    let payload = |bytes: usize| [V4, &tlv(4, &vec![0; bytes - V4.len() - 3])].concat();
    let whole = v2(0x21, 0x11, &payload(V2_PAYLOAD_BYTES_MAX));
    assert_eq!(origin(&whole), Ok(endpoints("10.0.0.1:12345", "10.0.0.2:443")));
    let beyond = v2(0x21, 0x11, &payload(V2_PAYLOAD_BYTES_MAX + 1));
    assert_eq!(parse(&beyond[..16]), Err(ProxyFault::PayloadTooLong));
}

#[test]
fn extensions_are_walked() {
    let parsed = |extensions: &[Vec<u8>]| {
        let payload = [V4, &extensions.concat()].concat();
        let bytes = v2(0x21, 0x11, &payload);
        match parse(&bytes) {
            Ok(Progress::Parsed { header, .. }) => {
                Ok((header.alpn.map(<[u8]>::to_vec), header.authority.map(str::to_owned)))
            }
            Ok(Progress::NeedMore) => panic!("whole headers only"),
            Err(fault) => Err(fault),
        }
    };
    let both = (Some(b"h2".to_vec()), Some("a.test".to_owned()));
    let unknown = tlv(0x20, &[1, 0, 0, 0, 0]);
    assert_eq!(parsed(&[unknown, tlv(1, b"h2"), tlv(4, b""), tlv(2, b"a.test")]), Ok(both));
    assert_eq!(parsed(&[]), Ok((None, None)));
    assert_eq!(parsed(&[tlv(2, b"a"), tlv(2, b"a")]), Err(ProxyFault::ExtensionTwice));
    assert_eq!(parsed(&[tlv(1, b"a"), tlv(1, b"a")]), Err(ProxyFault::ExtensionTwice));
    assert_eq!(parsed(&[vec![1]]), Err(ProxyFault::ExtensionCut));
    assert_eq!(parsed(&[vec![1, 0]]), Err(ProxyFault::ExtensionCut));
    assert_eq!(parsed(&[vec![1, 0, 1]]), Err(ProxyFault::ExtensionCut));
    let longest = "a".repeat(AUTHORITY_BYTES_MAX);
    assert_eq!(parsed(&[tlv(2, longest.as_bytes())]), Ok((None, Some(longest.clone()))));
    for wrong in ["", "a b", "a\n", "\u{e4}", &(longest + "a")] {
        let fault = parsed(&[tlv(2, wrong.as_bytes())]);
        assert_eq!(fault, Err(ProxyFault::ExtensionMalformed), "{wrong:?}");
    }
}

#[test]
fn a_checksum_is_checked_if_it_is_there() {
    let Origin::Proxied(endpoints) = endpoints("10.0.0.1:1", "10.0.0.2:2") else { panic!() };
    let origin = Origin::Proxied(endpoints);
    let header =
        Header { version: Version::V2, origin, alpn: Some(b"h2"), authority: Some("a.test") };
    let mut bytes = Vec::new();
    encode_v2(&header, Checksum::Present, &mut bytes);
    assert_eq!(parse(&bytes), Ok(Progress::Parsed { consumed: bytes.len(), header }));
    // One bit anywhere in what the checksum covers.
    for at in 16..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 1;
        assert!(!matches!(parse(&bent), Ok(Progress::Parsed { header: h, .. }) if h == header));
    }
    let mut bent = bytes.clone();
    bent[17] ^= 1;
    assert_eq!(parse(&bent), Err(ProxyFault::Checksum));
    let odd = [V4, &tlv(3, &[0; 5])].concat();
    assert_eq!(parse(&v2(0x21, 0x11, &odd)), Err(ProxyFault::ExtensionMalformed));
}

#[test]
fn what_is_written_is_understood() {
    let mixed = endpoints("10.0.0.1:1", "[2001:db8::1]:2");
    let as_read = endpoints("[::ffff:10.0.0.1]:1", "[2001:db8::1]:2");
    let v4_mapped = endpoints("[::ffff:10.0.0.1]:1", "10.0.0.2:2");
    let table = [
        (endpoints("10.0.0.1:1", "10.0.0.2:2"), endpoints("10.0.0.1:1", "10.0.0.2:2")),
        (endpoints("[::1]:1", "[::2]:2"), endpoints("[::1]:1", "[::2]:2")),
        (mixed, as_read),
        (v4_mapped, endpoints("10.0.0.1:1", "10.0.0.2:2")),
        (Origin::Unknown, Origin::Unknown),
    ];
    for (written, expected) in table {
        let mut line = Vec::new();
        encode_v1(&written, &mut line);
        assert!(line.len() <= V1_BYTES_MAX);
        assert_eq!(origin(&line), Ok(expected));
        for checksum in [Checksum::Present, Checksum::Absent] {
            let mut binary = b"before".to_vec();
            encode_v2(&Header { origin: written, ..bare() }, checksum, &mut binary);
            assert_eq!(origin(&binary[6..]), Ok(expected), "{checksum:?}");
        }
    }
    let mut local = Vec::new();
    encode_v2(&Header { origin: Origin::Local, ..bare() }, Checksum::Present, &mut local);
    assert_eq!(origin(&local), Ok(Origin::Local));
    let mut line = Vec::new();
    encode_v1(&Origin::Local, &mut line);
    assert_eq!(line, b"PROXY UNKNOWN\r\n");
}

#[test]
fn an_extension_that_is_too_long_is_not_written() {
    let origin = endpoints("10.0.0.1:1", "10.0.0.2:2");
    let long = "a".repeat(AUTHORITY_BYTES_MAX + 1);
    let header = Header { origin, authority: Some(&long), ..bare() };
    let mut bytes = Vec::new();
    encode_v2(&header, Checksum::Absent, &mut bytes);
    let Ok(Progress::Parsed { header, .. }) = parse(&bytes) else { panic!("{bytes:?}") };
    assert_eq!((header.origin, header.authority), (origin, None));
}

fn bare() -> Header<'static> {
    Header { version: Version::V2, origin: Origin::Unknown, alpn: None, authority: None }
}
