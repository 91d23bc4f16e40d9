//! Compiles `proto/grandstand.proto`, decodes our bytes with it and compares the result with our JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Map, Value};

use super::*;

fn pool() -> DescriptorPool {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = protox::compile(["grandstand.proto"], [folder]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
}

/// Decodes `bytes` with the file alone, as the JSON of the same message.
fn by_the_file(pool: &DescriptorPool, name: &str, bytes: &[u8]) -> Value {
    let descriptor = pool.get_message_by_name(name).unwrap();
    let message = DynamicMessage::decode(descriptor, bytes).unwrap();
    assert_eq!(message.unknown_fields().count(), 0, "{message}");
    let options = SerializeOptions::new()
        .stringify_64_bit_integers(false)
        .use_proto_field_name(true)
        .skip_default_fields(false);
    let value = message.serialize_with_options(serde_json::value::Serializer, &options);
    let Value::Object(mut outer) = value.unwrap() else {
        panic!("{message}")
    };
    let id = outer.remove("id");
    let (kind, fields) = outer.into_iter().next().unwrap();
    let Value::Object(mut fields) = fields else {
        panic!("{message}")
    };
    unwrap_data(&mut fields);
    fields.insert("type".to_owned(), kind.into());
    fields.extend(id.map(|id| ("id".to_owned(), id)));
    fields.into()
}

/// Adapts the fields whose JSON has another shape: data, and omitted fields.
fn unwrap_data(fields: &mut Map<String, Value>) {
    let text = |value: Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    for (from, to) in [("json", "data"), ("params", "params")] {
        if let Some(value) = fields.remove(from) {
            let value = serde_json::from_slice(&text(value)).unwrap();
            fields.insert(to.to_owned(), value);
        }
    }
    if let Some(value) = fields.remove("binary") {
        fields.insert("data_b64".to_owned(), value);
    }
    if fields.contains_key("player_count") {
        assert_eq!(fields.remove("players"), Some(Value::Array(Vec::new())));
    }
    if fields.get("attempt") == Some(&0.into()) {
        fields.remove("attempt");
    }
    if fields.get("datagrams") == Some(&false.into()) {
        fields.remove("datagrams");
    }
}

#[test]
fn names_and_values_are_those_of_the_json() {
    let pool = pool();
    let mut kinds = 0;
    for_each_server_message(|message| {
        let bytes = encoded_server(Encoding::Proto, message);
        let json: Value = serde_json::from_slice(&encoded_server(Encoding::Json, message)).unwrap();
        let proto = by_the_file(&pool, "grandstand.v1.ServerMessage", &bytes);
        assert_eq!(proto, json);
        kinds += 1;
    });
    for message in client_messages() {
        let bytes = encoded_client(Encoding::Proto, &message);
        let json: Value =
            serde_json::from_slice(&encoded_client(Encoding::Json, &message)).unwrap();
        let proto = by_the_file(&pool, "grandstand.v1.ClientMessage", &bytes);
        assert_eq!(proto, json);
        kinds += 1;
    }
    assert_eq!(kinds, 27 + 8);
}

/// Every kind in the file is in the code too.
#[test]
fn every_kind_of_the_file_is_covered() {
    let pool = pool();
    let mut seen: Vec<u32> = Vec::new();
    for_each_server_message(|message| {
        seen.push(first_kind(&encoded_server(Encoding::Proto, message)));
    });
    assert_all_seen(&pool, "grandstand.v1.ServerMessage", &seen);
    let seen: Vec<_> = client_messages()
        .iter()
        .map(|message| first_kind(&encoded_client(Encoding::Proto, message)))
        .collect();
    assert_all_seen(&pool, "grandstand.v1.ClientMessage", &seen);
}

/// The number of the first field that is not `id`, which is always a single byte here.
fn first_kind(bytes: &[u8]) -> u32 {
    let start = if bytes[0] == 0x08 { 2 } else { 0 };
    u32::from(bytes[start] >> 3)
}

fn assert_all_seen(pool: &DescriptorPool, name: &str, seen: &[u32]) {
    let message = pool.get_message_by_name(name).unwrap();
    for field in message.fields().filter(|field| field.name() != "id") {
        assert!(seen.contains(&field.number()), "{}", field.name());
    }
}
