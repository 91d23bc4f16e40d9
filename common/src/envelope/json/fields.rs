//! Finds the fields of a message in one pass, each as raw JSON.

use std::borrow::Cow;
use std::fmt;

use grandstand_types::data::Data;
use grandstand_types::id::RoomId;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::envelope::check::{self, MessageError};
use crate::envelope::json::encode;
use crate::envelope::message::MessageContext;
use crate::error::ErrorKind;

macro_rules! fields {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// The fields of all messages of the protocol.
        #[derive(Debug, Clone, Copy, Deserialize)]
        #[serde(field_identifier)]
        pub(super) enum Field {
            $(#[serde(rename = $name)] $variant,)*
            #[serde(other)]
            Unknown,
        }

        impl Field {
            const COUNT: usize = Field::Unknown as usize;

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown => "",
                }
            }
        }
    };
}

fields!(
    Type "type", Id "id", Room "room", Since "since", Epoch "epoch", Patch "patch", Role "role", Params "params", Client "client",
    Attempt "attempt", Datagrams "datagrams", N "n", Seq "seq", Data "data", DataB64 "data_b64", Token "token",
    Connection "connection", Edge "edge", Protocol "protocol", HeartbeatMs "heartbeat_ms", Limits "limits",
    Features "features", Instance "instance", LastSeq "last_seq", Code "code", Version "version", Prev "prev",
    Message "message", Players "players", PlayerCount "player_count", Viewers "viewers", TimeMs "time_ms",
    ReconnectInMs "reconnect_in_ms", RetryAfterMs "retry_after_ms",
);

/// A message's fields. The last of repeated fields counts; `null` counts as absent, except for `data`.
pub(super) struct Fields<'a>([Option<&'a RawValue>; Field::COUNT]);

/// Stores the fields of a message as they are read, so that those before an error are kept.
struct Collect<'f, 'a>(&'f mut Fields<'a>);

impl<'de: 'a, 'a> DeserializeSeed<'de> for Collect<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Collect<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<Field>()? {
            match self.0.0.get_mut(field as usize) {
                Some(place) => *place = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl<'a> Fields<'a> {
    /// Finds the fields of the message in `text`, and whether it is one. Before an error all fields that end before it are
    /// found.
    pub(super) fn parse(text: &'a str) -> (Self, Result<(), MessageError>) {
        let mut fields = Fields([None; Field::COUNT]);
        let mut json = serde_json::Deserializer::from_str(text);
        let parsed = Collect(&mut fields)
            .deserialize(&mut json)
            .and_then(|()| json.end());
        let Err(why) = parsed else {
            return (fields, Ok(()));
        };
        fields.forget_cut(text);
        let error = match why.classify() {
            Category::Data if serde_json::from_str::<&RawValue>(text).is_ok() => {
                MessageError::bad_message("a message must be a JSON object")
            }
            _ => MessageError::new(ErrorKind::BadJson, format!("not JSON: {why}")),
        };
        (fields, Err(error))
    }

    /// Forgets a number at the end of an incomplete text, because more digits may be missing.
    fn forget_cut(&mut self, text: &str) {
        let end = text.as_bytes().as_ptr_range().end;
        for field in &mut self.0 {
            if field.is_some_and(|raw| raw.get().as_bytes().as_ptr_range().end == end) {
                *field = None;
            }
        }
    }

    /// The fields that can be read even if another field is invalid.
    pub(super) fn context(&self) -> MessageContext {
        MessageContext {
            id: self.integer(Field::Id).ok().flatten(),
            room: self.room().ok(),
            seq: self.integer(Field::Seq).ok().flatten(),
        }
    }

    pub(super) fn raw(&self, field: Field) -> Option<&'a RawValue> {
        self.0
            .get(field as usize)
            .copied()
            .flatten()
            .filter(|raw| raw.get() != "null")
    }

    pub(super) fn integer(&self, field: Field) -> Result<Option<u64>, MessageError> {
        let Some(raw) = self.raw(field) else {
            return Ok(None);
        };
        let text = raw.get();
        let value = text.parse().ok().or_else(|| check::whole(text));
        let value = value.ok_or_else(|| check::not_an_integer(field.name()))?;
        check::integer(field.name(), value).map(Some)
    }

    /// A value that is `false` unless it is given.
    pub(super) fn flag(&self, field: Field) -> Result<bool, MessageError> {
        match self.raw(field).map(RawValue::get) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => {
                let message = format!("`{}` must be true or false", field.name());
                Err(MessageError::bad_message(&message))
            }
        }
    }

    pub(super) fn text(&self, field: Field) -> Result<Option<Cow<'a, str>>, MessageError> {
        let Some(raw) = self.raw(field) else {
            return Ok(None);
        };
        let inner = raw
            .get()
            .strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'));
        match inner {
            Some(inner) if !inner.contains('\\') => Ok(Some(Cow::Borrowed(inner))),
            // A string with half of a surrogate pair is not text.
            _ => serde_json::from_str(raw.get())
                .map(|text| Some(Cow::Owned(text)))
                .map_err(|_| {
                    MessageError::bad_message(format!("`{}` must be a string", field.name()))
                }),
        }
    }

    /// Parses any JSON field of a server message.
    pub(super) fn typed<T: Deserialize<'a>>(
        &self,
        field: Field,
    ) -> Result<Option<T>, MessageError> {
        let Some(raw) = self.raw(field) else {
            return Ok(None);
        };
        serde_json::from_str(raw.get())
            .map(Some)
            .map_err(|why| MessageError::bad_message(format!("`{}`: {why}", field.name())))
    }

    pub(super) fn need_integer(&self, field: Field) -> Result<u64, MessageError> {
        self.integer(field)?.ok_or_else(|| missing(field))
    }

    pub(super) fn need_text(&self, field: Field) -> Result<Cow<'a, str>, MessageError> {
        self.text(field)?.ok_or_else(|| missing(field))
    }

    pub(super) fn room(&self) -> Result<RoomId, MessageError> {
        check::room(&self.need_text(Field::Room)?)
    }

    /// `data` or `data_b64`.
    pub(super) fn data(&self) -> Result<Data, MessageError> {
        // Here `null` is a value.
        let json = self.0[Field::Data as usize];
        match (json, self.text(Field::DataB64)?) {
            (Some(_), Some(_)) => Err(MessageError::bad_message(
                "both `data` and `data_b64` are given",
            )),
            (None, None) => Err(MessageError::bad_message(
                "`data` (or `data_b64`) is missing",
            )),
            (Some(raw), None) => check::value("data", raw).map(Data::Json),
            (None, Some(text)) => base64::Engine::decode(&encode::BASE64, text.as_bytes())
                .map(|bytes| Data::Binary(bytes.into()))
                .map_err(|why| {
                    MessageError::bad_message(format!("`data_b64` must be base64: {why}"))
                }),
        }
    }
}

pub(super) fn missing(field: Field) -> MessageError {
    MessageError::bad_message(format!("`{}` is missing", field.name()))
}
