//! Events and outputs as text and JSON.

use grandstand_types::data::Data;
use serde_json::{Value, json};

use super::checks::shown;
use crate::call::Answer;
use crate::event::{Event, Leave};
use crate::host::output::Output;

/// An output as JSON, in which the order of an object's members does not matter.
pub(super) fn comparable(output: &Output) -> Value {
    match output {
        Output::Update {
            versions,
            key,
            data,
        } => json!({"versions": versions, "key": key, "update": value(data)}),
        Output::Snapshot(lane) => json!({"snapshot": lane.index()}),
        Output::Direct { player, data } => json!({"to": player, "direct": value(data)}),
        Output::Kick { player, code } => json!({"kick": player, "code": code}),
        Output::Bot { player, think } => json!({"bot": player, "think_ms": think.as_millis()}),
        Output::Invite(invitation) => json!({
            "invite": invitation.player, "room": invitation.room,
            "options": invitation.options, "params": invitation.params,
        }),
        Output::Out(item) => json!({
            "no": item.no,
            "to": item.to,
            "topic": item.topic,
            "due_ms": item.due_ms,
            "out": value(&Data::Json(item.data.clone())),
        }),
        Output::Fault(fault) => json!({"fault": fault.to_string()}),
    }
}

/// Returns data as JSON; bytes as text in base 16.
pub(super) fn value(data: &Data) -> Value {
    match data {
        Data::Json(text) => serde_json::from_slice(text).unwrap_or_default(),
        Data::Binary(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// An event in a few words.
pub(super) fn describe(event: &Event<'_, &Data>) -> String {
    match event {
        Event::Joined { player, options } if options.is_null() => format!("join of {player}"),
        Event::Joined { player, options } => format!("join of {player} with {options}"),
        Event::Left {
            player,
            how: Leave::Kicked,
        } => format!("kick of {player}"),
        Event::Left { player, .. } => format!("leave of {player}"),
        Event::Lost { player } => format!("loss of {player}"),
        Event::Returned { player } => format!("return of {player}"),
        Event::Input { player, input } => format!("input of {player}: {}", shown(&value(input))),
        Event::Timer { name } => format!("timer {name:?}"),
        Event::Answer(Answer { call, result }) => match result {
            Ok(data) => format!("answer to call {}: {}", call.0, shown(&value(data))),
            Err(error) => format!("failure of call {}: {error}", call.0),
        },
        Event::Message(message) => format!(
            "message {:?} from {:?}: {}",
            message.topic,
            message.from,
            shown(&value(message.data))
        ),
    }
}
