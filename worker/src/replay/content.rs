//! The content of entries and messages in a history.

use grandstand_common::data::Data;
use grandstand_common::wire;
use serde::Serialize;
use serde_json::value::RawValue;

/// The content of an entry or a message.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Content {
    /// JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// Bytes, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_b64: Option<String>,
    /// The `params` of a `join`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Box<RawValue>>,
    /// The token's options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Box<RawValue>>,
    /// A timer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timer: Option<String>,
    /// The number of the timer's arming.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arming: Option<u64>,
    /// A message's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// A message's sender: a room, or `service` and its name, or `admin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// A message's topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The code of a kick; of a call that has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Content {
    /// The content of a message from outside.
    pub(super) fn of_message(message: &wire::RoomMessage) -> Self {
        let from = match (message.room.as_str(), message.service.as_str()) {
            ("", "") => "admin".to_owned(),
            ("", service) => format!("service {service}"),
            (room, _) => room.to_owned(),
        };
        Self {
            message: Some(message.id.clone()),
            from: Some(from),
            topic: Some(message.topic.clone()),
            ..Self::new(message.data.as_ref())
        }
    }

    /// The content of an answer to a call.
    pub(super) fn of_answer(answer: &wire::Answer) -> Self {
        let is_error = answer.status != 0 || answer.failure != 0;
        let code = match (answer.status, answer.failure) {
            (0, 1) => "timeout".to_owned(),
            (0, 2) => "no_endpoint".to_owned(),
            (0, 4) => "bad_answer".to_owned(),
            (0, _) => "unavailable".to_owned(),
            (status, _) => format!("status_{status}"),
        };
        Self {
            message: Some(answer.call.clone()),
            code: is_error.then_some(code),
            ..Self::new(answer.data.as_ref())
        }
    }

    /// The content of an input or a message to clients.
    pub(super) fn new(data: Option<&Data>) -> Self {
        use base64::Engine as _;
        let standard = base64::engine::general_purpose::STANDARD;
        let mut said = Self::default();
        match data {
            Some(Data::Json(text)) => match raw(text) {
                Some(json) => said.data = Some(json),
                None => said.data_b64 = Some(standard.encode(text)),
            },
            Some(Data::Binary(bytes)) => said.data_b64 = Some(standard.encode(bytes)),
            None => {}
        }
        said
    }
}

/// The JSON text without line breaks.
pub(super) fn raw(text: &[u8]) -> Option<Box<RawValue>> {
    let is_break = |b: &u8| matches!(b, b'\n' | b'\r');
    // Within strings, line breaks are escaped.
    if text.iter().any(is_break) {
        let joined: Vec<u8> = text.iter().copied().filter(|b| !is_break(b)).collect();
        serde_json::from_slice(&joined).ok()
    } else {
        serde_json::from_slice(text).ok()
    }
}
