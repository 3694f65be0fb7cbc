//! A message of any kind is the same after JSON.

use std::collections::HashMap;

use narrows_transcode::{DefaultValues, EnumForm, FieldNames, Options, Print, Transcoder};
use narrows_wire::codec::End;
use narrows_wire::grpc::Status;
use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

use crate::support::{bind, frame, kind, pool, reply, transcoder, unframe, usual};

const ECHO: &str = "/test.v1.Library/Echo";

/// Splitmix64.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

#[test]
fn messages_survive_the_way_to_json_and_back() {
    let mut rng = Rng::new(0x726f_756e_6474_7269);
    let print = |enums, defaults, names| {
        transcoder(Options { print: Print { enums, defaults, names }, ..Options::default() })
    };
    let transcoders = [
        usual().clone(),
        print(EnumForm::Numbers, DefaultValues::Omit, FieldNames::Proto),
        print(EnumForm::Names, DefaultValues::Write, FieldNames::Json),
    ];
    for round in 0..1_500 {
        let bytes = message(&mut rng, kind("Everything"), 3).encode_to_vec();
        let there = json(&transcoders[round % transcoders.len()], &bytes);
        let back = unframe(&request(&there));
        assert_eq!(back.len(), 1);
        let decode = |bytes: &[u8]| DynamicMessage::decode(kind("Everything"), bytes);
        let (before, after) = (decode(&bytes).expect("ours"), decode(&back[0]).expect("ours"));
        // Not `assert_eq!`: what these types write of themselves has no end.
        assert!(before == after, "round {round}: {there}");
    }
}

fn json(transcoder: &Transcoder, message: &[u8]) -> String {
    let call = bind(transcoder, "POST", ECHO).expect("a binding");
    let ((status, _, text), _) = reply(call, &frame(message), Status::Ok);
    assert_eq!(status, 200, "{text}");
    text
}

fn request(json: &str) -> Vec<u8> {
    let mut call = bind(usual(), "POST", ECHO).expect("a binding");
    let mut out = Vec::new();
    call.push_request(json.as_bytes(), End::Stream, &mut out)
        .unwrap_or_else(|failure| panic!("{failure:?}: {json}"));
    out
}

/// A message with some of its fields.
fn message(rng: &mut Rng, kind: MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(kind.clone());
    match kind.full_name() {
        "google.protobuf.Timestamp" => {
            let seconds = rng.next() as i64 % 62_135_596_800;
            message.set_field_by_name("seconds", Value::I64(seconds));
            message.set_field_by_name("nanos", Value::I32(nanos(rng)));
        }
        "google.protobuf.Duration" => {
            let sign = if rng.below(2) == 0 { 1 } else { -1 };
            let seconds = sign * (rng.next() % 315_576_000_001) as i64;
            message.set_field_by_name("seconds", Value::I64(seconds));
            let nanos = if seconds.abs() == 315_576_000_000 { 0 } else { nanos(rng) };
            message.set_field_by_name("nanos", Value::I32(sign as i32 * nanos));
        }
        "google.protobuf.FieldMask" => {
            let paths = ["a", "a_b.c_d", "foo", "x1.y"];
            let paths = (0..rng.below(4)).map(|_| paths[rng.below(paths.len())].to_owned());
            let paths = paths.map(Value::String).collect();
            message.set_field_by_name("paths", Value::List(paths));
        }
        "google.protobuf.Any" => any(rng, &mut message, depth),
        "google.protobuf.Value" => {
            // Exactly one field of its oneof has to be set.
            let fields: Vec<_> = kind.fields().collect();
            let reach = if depth == 0 { 4 } else { fields.len() };
            let field = &fields[rng.below(reach)];
            let value = single(rng, field, depth.saturating_sub(1));
            assert!(message.try_set_field(field, value).is_ok(), "{}", field.full_name());
        }
        _ => {
            for field in kind.fields() {
                if rng.below(4) == 0 && (depth > 0 || field.kind().as_message().is_none()) {
                    let value = value(rng, &field, depth.saturating_sub(1));
                    assert!(message.try_set_field(&field, value).is_ok(), "{}", field.full_name());
                }
            }
        }
    }
    message
}

fn nanos(rng: &mut Rng) -> i32 {
    match rng.below(4) {
        0 => 0,
        1 => rng.below(1_000) as i32 * 1_000_000,
        2 => rng.below(1_000_000) as i32 * 1_000,
        _ => rng.below(1_000_000_000) as i32,
    }
}

fn any(rng: &mut Rng, message: &mut DynamicMessage, depth: usize) {
    let names = ["test.v1.Book", "google.protobuf.Duration", "google.protobuf.Int64Value"];
    let name = names[rng.below(names.len())];
    let kind = pool().get_message_by_name(name).expect("a message of the set");
    let inner = self::message(rng, kind, depth.saturating_sub(1));
    let url = format!("type.googleapis.com/{}", inner.descriptor().full_name());
    message.set_field_by_name("type_url", Value::String(url));
    message.set_field_by_name("value", Value::Bytes(inner.encode_to_vec().into()));
}

fn value(rng: &mut Rng, field: &FieldDescriptor, depth: usize) -> Value {
    if field.is_map() {
        let kind = field.kind();
        let entry = kind.as_message().expect("a map has entries");
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let entries: HashMap<MapKey, Value> = (0..rng.below(3))
            .map(|_| {
                let key = single(rng, &key, depth).into_map_key().expect("a key");
                (key, single(rng, &value, depth))
            })
            .collect();
        return Value::Map(entries);
    }
    if field.is_list() {
        return Value::List((0..rng.below(3)).map(|_| single(rng, field, depth)).collect());
    }
    single(rng, field, depth)
}

fn single(rng: &mut Rng, field: &FieldDescriptor, depth: usize) -> Value {
    let bits = if rng.below(3) == 0 { rng.next() % 3 } else { rng.next() };
    match field.kind() {
        Kind::Double => Value::F64(finite(f64::from_bits(bits))),
        Kind::Float => Value::F32(finite(f64::from(f32::from_bits(bits as u32))) as f32),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(bits as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(bits as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(bits as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(bits),
        Kind::Bool => Value::Bool(bits % 2 == 0),
        Kind::String => Value::String(text(rng)),
        Kind::Bytes => {
            Value::Bytes((0..rng.below(6)).map(|_| rng.next() as u8).collect::<Vec<_>>().into())
        }
        Kind::Enum(kind) if kind.full_name() == "google.protobuf.NullValue" => Value::EnumNumber(0),
        // Also a number without a name.
        Kind::Enum(_) => Value::EnumNumber(rng.below(4) as i32),
        Kind::Message(kind) => Value::Message(message(rng, kind, depth)),
    }
}

/// `NaN` is not equal to itself, and no number of a `google.protobuf.Value`.
fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { 1.5 }
}

fn text(rng: &mut Rng) -> String {
    const CHARS: [char; 10] = ['a', '"', '\\', '\n', '\0', 'ß', '→', '😀', '/', '\u{2028}'];
    (0..rng.below(6)).map(|_| CHARS[rng.below(CHARS.len())]).collect()
}
