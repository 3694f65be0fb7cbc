//! Hellos in one piece and in many, with each extension that is read, and wrong in each way.

use super::parse::HOST_BYTES_MAX;
use super::*;

fn vector8(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8], bytes].concat()
}

fn vector16(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector16(data)].concat()
}

fn sni(name: &[u8]) -> Vec<u8> {
    extension(0, &vector16(&[&[0], &vector16(name)[..]].concat()))
}

fn alpn(names: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = names.iter().flat_map(|name| vector8(name)).collect();
    extension(16, &vector16(&list))
}

/// The handshake message.
fn message(extensions: &[Vec<u8>]) -> Vec<u8> {
    let body = [
        &[3, 3][..],
        &[7; 32],
        &vector8(&[9; 32]),
        &vector16(&[0x13, 1, 0x13, 2]),
        &vector8(&[0]),
        &vector16(&extensions.concat()),
    ];
    with_header(&body.concat())
}

fn with_header(body: &[u8]) -> Vec<u8> {
    [&[1], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

/// Cuts a message into records of so many bytes.
fn records(message: &[u8], bytes: usize) -> Vec<u8> {
    let record = |part: &[u8]| [&[22, 3, 1][..], &vector16(part)].concat();
    message.chunks(bytes).flat_map(record).collect()
}

fn peek(input: &[u8]) -> Result<Peek, HelloFault> {
    ClientHelloReader::new().feed(input)
}

fn hello(extensions: &[Vec<u8>]) -> Result<ClientHello, HelloFault> {
    match peek(&records(&message(extensions), 16_000))? {
        Peek::Hello(hello) => Ok(hello),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hello_says_where_it_goes() {
    let versions = extension(43, &vector8(&[0xca, 0xca, 3, 4, 3, 3]));
    let grease = extension(0x0a0a, &[]);
    let hello = hello(&[
        grease,
        sni(b"Api.Example.TEST"),
        extension(51, &[0; 1200]),
        alpn(&[b"\x1a\x1a", b"h2", b"http/1.1"]),
        versions,
    ]);
    let hello = hello.expect("it is well formed");
    assert_eq!(hello.server_name(), Some("api.example.test"));
    assert_eq!(hello.alpn().collect::<Vec<_>>(), [&b"h2"[..], b"http/1.1"]);
    assert_eq!(hello.versions(), [0x0304, 0x0303]);
}

#[test]
fn a_hello_may_say_nothing() {
    let hello = hello(&[]).expect("it is well formed");
    assert_eq!((hello.server_name(), hello.alpn().count()), (None, 0));
    assert_eq!(hello.versions(), [0x0303]);
    let bare = with_header(&[&[3, 1][..], &[0; 32], &[0], &[0, 2, 0, 5], &[1, 0]].concat());
    let Ok(Peek::Hello(hello)) = peek(&records(&bare, 100)) else { panic!("no extensions") };
    assert_eq!(hello.versions(), [0x0301]);
}

#[test]
fn a_hello_may_come_in_any_records_and_any_reads() {
    let message = message(&[sni(b"a.test"), alpn(&[b"h2"]), extension(51, &[0; 40])]);
    let expected = peek(&records(&message, 16_000));
    assert!(matches!(expected, Ok(Peek::Hello(_))));
    for record_bytes in [1, 2, 3, 5, 64, message.len() - 1] {
        let bytes = records(&message, record_bytes);
        for read_bytes in [1, 2, 7, 100] {
            let mut reader = ClientHelloReader::new();
            let (last, reads) = {
                let mut reads: Vec<_> = bytes.chunks(read_bytes).collect();
                (reads.pop().expect("one at least"), reads)
            };
            for read in reads {
                assert_eq!(reader.feed(read), Ok(Peek::NeedMore));
            }
            assert_eq!(reader.feed(last), expected, "{record_bytes} {read_bytes}");
        }
    }
}

/// What a real client writes; the first byte of the file is for the fuzz target.
#[test]
fn a_hello_of_openssl_is_read() {
    let [_, bytes @ ..] = include_bytes!("../../../../fuzz/corpus/client_hello/openssl-1.3");
    let Ok(Peek::Hello(hello)) = peek(bytes) else { panic!("it is well formed") };
    assert_eq!(hello.server_name(), Some("api.example.com"));
    assert_eq!(hello.alpn().collect::<Vec<_>>(), [&b"h2"[..], b"http/1.1"]);
    assert_eq!(hello.versions(), [0x0304, 0x0303]);
}

/// What a client sends at once behind its hello (early data) is not looked at.
#[test]
fn further_records_do_not_matter() {
    let bytes = [records(&message(&[sni(b"a.test")]), 16_000), vec![0x17; 30_000]].concat();
    assert!(matches!(peek(&bytes), Ok(Peek::Hello(_))));
}

#[test]
fn other_protocols_are_told_apart() {
    for other in
        [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0", b"\x80\x2e\x01", b"\x16G", b"\x15\x03"]
    {
        assert_eq!(peek(other), Ok(Peek::NotTls), "{other:?}");
    }
    assert_eq!(peek(b""), Ok(Peek::NeedMore));
    assert_eq!(peek(b"\x16\x03"), Ok(Peek::NeedMore));
}

#[test]
fn a_hello_may_be_as_long_as_the_limit_and_no_longer() {
    let empty = records(&message(&[extension(21, &[])]), 16_000).len();
    let padded =
        |bytes: usize| records(&message(&[extension(21, &vec![0; bytes - empty])]), 16_384);
    let longest = padded(HELLO_BYTES_MAX);
    assert_eq!(longest.len(), HELLO_BYTES_MAX);
    assert!(matches!(peek(&longest), Ok(Peek::Hello(_))));
    // It is known from the length, long before the end.
    assert_eq!(peek(&padded(HELLO_BYTES_MAX + 1)[..9]), Err(HelloFault::TooLong));
    // Headers of records count as well.
    let many = records(&message(&[extension(21, &[0; 3000])]), 1);
    assert_eq!(peek(&many), Err(HelloFault::TooLong));
    assert_eq!(peek(&many[..HELLO_BYTES_MAX]), Ok(Peek::NeedMore));
}

#[test]
fn records_are_those_of_a_handshake() {
    let good = message(&[sni(b"a.test")]);
    assert_eq!(peek(&[22, 3, 1, 0, 0]), Err(HelloFault::Record));
    assert_eq!(peek(&[22, 3, 1, 0x40, 1]), Err(HelloFault::Record));
    assert_eq!(peek(&[22, 3, 1, 0x40, 0]), Ok(Peek::NeedMore));
    let interrupted = [&records(&good[..9], 9)[..], &[23, 3, 1, 0, 1, 0]].concat();
    assert_eq!(peek(&interrupted), Err(HelloFault::Record));
    assert_eq!(peek(&records(&[2, 0, 0, 0], 9)), Err(HelloFault::Message));
    assert_eq!(peek(&records(&[&good[..], &[0]].concat(), 16_000)), Err(HelloFault::Trailing));
}

#[test]
fn lengths_have_to_fit() {
    let good = message(&[sni(b"a.test"), alpn(&[b"h2"])]);
    let body = &good[4..];
    for cut in 0..body.len() {
        let is_without_extensions = cut == 2 + 32 + 33 + 6 + 2;
        let result = peek(&records(&with_header(&body[..cut]), 16_000));
        match result {
            Ok(Peek::Hello(_)) => assert!(is_without_extensions, "cut at {cut}"),
            other => assert_eq!(other, Err(HelloFault::Length), "cut at {cut}"),
        }
    }
    let more = with_header(&[body, &[0]].concat());
    assert_eq!(peek(&records(&more, 16_000)), Err(HelloFault::Length));
    let with = |session: &[u8], suites: &[u8], methods: &[u8]| {
        let parts =
            [&[3, 3][..], &[0; 32], &vector8(session), &vector16(suites), &vector8(methods)];
        peek(&records(&with_header(&parts.concat()), 16_000))
    };
    assert!(matches!(with(&[0; 32], &[0, 1], &[0]), Ok(Peek::Hello(_))));
    assert_eq!(with(&[0; 33], &[0, 1], &[0]), Err(HelloFault::Length));
    assert_eq!(with(&[], &[], &[0]), Err(HelloFault::Length));
    assert_eq!(with(&[], &[0, 1, 2], &[0]), Err(HelloFault::Length));
    assert_eq!(with(&[], &[0, 1], &[]), Err(HelloFault::Length));
}

#[test]
fn a_server_name_is_a_host_name() {
    let name = |name: &[u8]| hello(&[sni(name)]).map(|h| h.server_name().map(str::to_owned));
    for fine in ["a", "A-1.b_c.test", "xn--bcher-kva.example", "1.2.3.4.example"] {
        assert_eq!(name(fine.as_bytes()), Ok(Some(fine.to_ascii_lowercase())), "{fine}");
    }
    for address in ["10.0.0.1", "2001:db8::1", "::"] {
        assert_eq!(name(address.as_bytes()), Ok(None), "{address}");
    }
    for wrong in
        ["", ".", "a.", ".a", "a..b", "-a", "a-", "a b", "a\0", "a/b", "b\u{fc}cher", "[::1]"]
    {
        assert_eq!(name(wrong.as_bytes()), Err(HelloFault::ServerName), "{wrong:?}");
    }
    let label = "a".repeat(63);
    let longest = [&label[..], &label, &label, &label[..61]].join(".");
    assert_eq!(longest.len(), HOST_BYTES_MAX);
    assert_eq!(name(longest.as_bytes()), Ok(Some(longest.clone())));
    assert_eq!(name(format!("{longest}a").as_bytes()), Err(HelloFault::ServerName));
    assert_eq!(name(format!("{label}a").as_bytes()), Err(HelloFault::ServerName));
}

#[test]
fn extensions_that_are_read_come_once_and_are_well_formed() {
    let two = [vec![0], vector16(b"a"), vec![0], vector16(b"b")].concat();
    let other_kind = [vec![9], vector16(b"?"), vec![0], vector16(b"b")].concat();
    let table = [
        ("sni twice", vec![sni(b"a"), sni(b"a")], Err(HelloFault::ExtensionTwice)),
        ("alpn twice", vec![alpn(&[b"a"]), alpn(&[b"a"])], Err(HelloFault::ExtensionTwice)),
        ("others twice", vec![extension(5, &[]), extension(5, &[])], Ok(())),
        ("two names", vec![extension(0, &vector16(&two))], Err(HelloFault::ServerName)),
        ("another kind", vec![extension(0, &vector16(&other_kind))], Ok(())),
        ("no names", vec![extension(0, &vector16(&[]))], Err(HelloFault::ServerName)),
        ("sni empty", vec![extension(0, &[])], Err(HelloFault::Length)),
        ("alpn empty", vec![alpn(&[])], Err(HelloFault::Alpn)),
        ("alpn with an empty name", vec![alpn(&[b"h2", b""])], Err(HelloFault::Alpn)),
        ("versions empty", vec![extension(43, &[0])], Err(HelloFault::Length)),
        ("versions odd", vec![extension(43, &[3, 3, 4, 3])], Err(HelloFault::Length)),
        ("versions and more", vec![extension(43, &[2, 3, 4, 3])], Err(HelloFault::Length)),
    ];
    for (name, extensions, expected) in table {
        assert_eq!(hello(&extensions).map(|_| ()), expected, "{name}");
    }
}
