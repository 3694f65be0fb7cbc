//! What the encoder puts into its table, and what it never does.

use crate::{decode, hex, lines};
use narrows_wire::hpack::{Decoder, Encoder};
use narrows_wire::{Head, Indexing, Name};

fn head(fields: &[(&str, &str, Indexing)]) -> Head {
    let mut head = Head::new();
    for (name, value, indexing) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), *indexing);
    }
    head
}

fn encode(encoder: &mut Encoder, fields: &[(&str, &str, Indexing)]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.encode(&head(fields), &mut out);
    out
}

const MAY_REPEAT: Indexing = Indexing::MayRepeat;

#[test]
fn a_value_that_repeats_is_inserted_on_second_sight_and_one_byte_from_then_on() {
    let mut encoder = Encoder::new();
    let fields = [("user-agent", "grpc-go/1.70", MAY_REPEAT)];
    let literal = hex("0f2b0c 677270632d676f2f312e3730");
    assert_eq!(encode(&mut encoder, &fields), literal);
    assert_eq!(encode(&mut encoder, &fields)[..2], hex("7a0c"));
    assert_eq!(encode(&mut encoder, &fields), hex("be"));
}

#[test]
fn what_is_in_the_tables_is_there_after_they_have_given_memory_back() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
    let fields = [("user-agent", "grpc-go/1.70", MAY_REPEAT), ("jobid", "42", MAY_REPEAT)];
    for _ in 0..3 {
        decode(&mut decoder, &encode(&mut encoder, &fields)).unwrap();
    }
    let busy = (encoder.memory_bytes(), decoder.memory_bytes());
    encoder.shrink();
    decoder.shrink();
    assert!(encoder.memory_bytes() < busy.0 && decoder.memory_bytes() < busy.1);
    let block = encode(&mut encoder, &fields);
    assert_eq!(block, hex("bf be"));
    let (_, decoded) = decode(&mut decoder, &block).unwrap();
    assert_eq!(decoded.find(b"jobid"), Some(&b"42"[..]));
    let another = [("te", "trailers", MAY_REPEAT), fields[1]];
    for _ in 0..3 {
        decode(&mut decoder, &encode(&mut encoder, &another)).unwrap();
    }
    assert_eq!(encode(&mut encoder, &another), hex("be bf"));
}

#[test]
fn a_hash_of_the_decoder_finds_the_same_entry_as_one_of_the_encoder() {
    let mut decoder = Decoder::new(4096);
    let block = hex("4005 6a6f626964 02 3432");
    decode(&mut decoder, &block).unwrap();
    let (_, repeated) = decode(&mut decoder, &hex("be")).unwrap();
    assert!(matches!(repeated.fields()[0].indexing, Indexing::Repeats(_)));
    let mut encoder = Encoder::new();
    let own = [("jobid", "42", MAY_REPEAT)];
    encode(&mut encoder, &own);
    encode(&mut encoder, &own);
    let mut out = Vec::new();
    encoder.encode(&repeated, &mut out);
    assert_eq!(out, hex("be"));
}

#[test]
fn entries_of_the_static_table_are_one_byte() {
    let fields = [
        (":method", "POST", MAY_REPEAT),
        (":scheme", "http", MAY_REPEAT),
        (":status", "200", MAY_REPEAT),
        (":path", "/", MAY_REPEAT),
        ("accept-encoding", "gzip, deflate", MAY_REPEAT),
    ];
    assert_eq!(encode(&mut Encoder::new(), &fields), hex("8386888490"));
    let (_, decoded) = decode(&mut Decoder::new(0), &hex("8386888490")).unwrap();
    let mut out = Vec::new();
    Encoder::new().encode(&decoded, &mut out);
    assert_eq!(out, hex("8386888490"));
}

#[test]
fn a_static_field_with_another_value_is_not_static() {
    let (_, mut head) = decode(&mut Decoder::new(0), &hex("82")).unwrap();
    let indexing = head.fields()[0].indexing;
    assert!(matches!(indexing, Indexing::Static(_)));
    head.set(Name::Method, b"PUT", indexing);
    head.push(Name::Method, b"PATCH", indexing);
    head.push_text(b"x", b"y", indexing);
    let mut out = Vec::new();
    Encoder::new().encode(&head, &mut out);
    let (_, decoded) = decode(&mut Decoder::new(4096), &out).unwrap();
    assert_eq!(lines(&decoded), [":method: PUT", ":method: PATCH", "x: y"]);
}

#[test]
fn a_secret_stays_never_indexed() {
    let mut encoder = Encoder::new();
    for _ in 0..3 {
        let block = encode(&mut encoder, &[("authorization", "k", Indexing::Secret)]);
        assert_eq!(block, hex("1f08 01 6b"));
        let block = encode(&mut encoder, &[("x-key", "k", Indexing::Secret)]);
        assert_eq!(block, hex("10 05 782d6b6579 01 6b"));
        let (_, decoded) = decode(&mut Decoder::new(0), &block).unwrap();
        assert_eq!(decoded.fields()[0].indexing, Indexing::Secret);
    }
}

/// The name gets an entry once it has been seen twice, the values of later calls do not.
#[test]
fn a_unique_value_is_sent_by_the_index_of_its_name() {
    let mut encoder = Encoder::new();
    let send =
        |encoder: &mut Encoder, value| encode(encoder, &[("jobid", value, Indexing::Unique)]);
    assert_eq!(send(&mut encoder, "1"), hex("00 05 6a6f626964 01 31"));
    assert_eq!(send(&mut encoder, "2"), hex("40 05 6a6f626964 01 32"));
    assert_eq!(send(&mut encoder, "3"), hex("0f2f 01 33"));
    assert_eq!(send(&mut encoder, "3"), hex("0f2f 01 33"));
}

#[test]
fn values_that_differ_per_call_are_never_inserted() {
    for name in ["grpc-timeout", "traceparent", "tracestate", "x-request-id", "content-length"] {
        let mut encoder = Encoder::new();
        let blocks: Vec<_> =
            (0..5).map(|_| encode(&mut encoder, &[(name, "7", MAY_REPEAT)])).collect();
        assert_eq!(blocks[4][blocks[4].len() - 2..], hex("0137"), "{name}");
        assert_eq!(blocks[3], blocks[4], "{name}");
    }
    let path = "/search?query=something+that+nobody+asks+twice";
    let mut encoder = Encoder::new();
    for _ in 0..3 {
        assert_eq!(encode(&mut encoder, &[(":path", path, MAY_REPEAT)])[0], 0x04);
        assert_eq!(encode(&mut encoder, &[("authorization", "Bearer x", MAY_REPEAT)])[0], 0x0f);
    }
}

#[test]
fn values_that_never_come_again_do_not_push_out_one_that_does() {
    let mut encoder = Encoder::new();
    let agent = ("user-agent", "grpc-go/1.70", MAY_REPEAT);
    encode(&mut encoder, &[agent, agent]);
    for call in 0..10_000 {
        encode(&mut encoder, &[("x-call", &format!("{call:040}"), MAY_REPEAT)]);
    }
    let last = encode(&mut encoder, &[agent]);
    assert_eq!(last.len(), 1, "{last:02x?}");
}

#[test]
fn a_field_larger_than_a_quarter_of_the_table_is_not_inserted() {
    let mut encoder = Encoder::new();
    let value = "v".repeat(1024 - 32 - 10);
    for value in [&value[..], &format!("{value}v")] {
        let field = [("user-agent", value, MAY_REPEAT)];
        encode(&mut encoder, &field);
        encode(&mut encoder, &field);
        let block = encode(&mut encoder, &field);
        assert_eq!(block.len() == 1, value.len() == 982);
    }
}

/// RFC 7541 §4.2.
#[test]
fn a_new_table_size_is_announced_by_the_least_and_the_last() {
    let mut encoder = Encoder::new();
    let field = [(":method", "GET", MAY_REPEAT)];
    encoder.set_table_bytes_max(4096);
    assert_eq!(encode(&mut encoder, &field), hex("82"));
    encoder.set_table_bytes_max(1 << 20);
    assert_eq!(encode(&mut encoder, &field), hex("82"));
    encoder.set_table_bytes_max(100);
    assert_eq!(encode(&mut encoder, &field), hex("3f45 82"));
    encoder.set_table_bytes_max(0);
    encoder.set_table_bytes_max(200);
    assert_eq!(encode(&mut encoder, &field), hex("20 3fa901 82"));
    encoder.set_table_bytes_max(0);
    encoder.set_table_bytes_max(1 << 20);
    assert_eq!(encode(&mut encoder, &field), hex("20 3fe11f 82"));
}

#[test]
fn a_lowered_table_size_empties_the_table_even_if_it_is_raised_again() {
    let mut encoder = Encoder::new();
    let field = [("user-agent", "a", MAY_REPEAT)];
    encode(&mut encoder, &field);
    encode(&mut encoder, &field);
    assert_eq!(encode(&mut encoder, &field), hex("be"));
    encoder.set_table_bytes_max(0);
    encoder.set_table_bytes_max(4096);
    assert_eq!(encode(&mut encoder, &field), hex("20 3fe11f 7a 01 61"));
}

#[test]
fn a_peer_without_a_table_gets_literals() {
    let mut encoder = Encoder::new();
    encoder.set_table_bytes_max(0);
    let field = [("jobid", "a", MAY_REPEAT)];
    encode(&mut encoder, &field);
    for _ in 0..3 {
        assert_eq!(encode(&mut encoder, &field), hex("00 05 6a6f626964 01 61"));
    }
}
