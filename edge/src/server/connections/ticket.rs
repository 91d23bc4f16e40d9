//! A ticket of a queue: a client without a socket that joins the queue, enters it, and follows invitations to its shards.
//! Performs no I/O.

use grandstand_common::envelope::EventHead;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;
use serde_json::{Value, json};

use crate::conn::session::JOIN_ID;
use crate::server::connections::waiters::InputAnswer;

/// The most rooms that a ticket passes through, which ends a circle.
const MOST_ROOMS: u32 = 64;

/// The request for the state of a ticket once the queue has answered it.
pub(crate) const ENTERED: &str = "entered";

/// The request for the state of a ticket once it waits no longer.
pub(crate) const DECIDED: &str = "decided";

/// The request that withdraws a ticket.
pub(crate) const WITHDRAW: &str = "withdraw";

/// A ticket of a queue.
#[derive(Debug)]
pub(crate) struct Ticket {
    queue: RoomId,
    /// The room that the client is in: the queue, or a shard of it.
    room: String,
    /// The data of the input that enters.
    enter: String,
    state: State,
    rooms: u32,
    /// Whether a request has asked since the last sign of life.
    is_asked: bool,
}

/// The state of a ticket.
#[derive(Debug)]
enum State {
    /// The client joins the room.
    Joining,
    /// The input with this seq enters.
    Entering(u64),
    Waiting,
    /// The ticket waits no longer. The answer to requests.
    Decided(InputAnswer),
}

impl Ticket {
    /// Creates a ticket. `enter` is the data of the input that enters the queue, in JSON.
    pub(crate) fn new(queue: RoomId, enter: String) -> Self {
        Self {
            room: queue.as_str().to_owned(),
            queue,
            enter,
            state: State::Joining,
            rooms: 1,
            is_asked: true,
        }
    }

    /// The first message of the client.
    pub(crate) fn join(&self) -> String {
        json!({"type": "join", "id": JOIN_ID, "room": self.room}).to_string()
    }

    /// The answer to a request, if it is there already.
    pub(super) fn ask(&mut self, request: &str) -> Option<InputAnswer> {
        self.is_asked = true;
        match &self.state {
            State::Decided(answer) => Some(answer.clone()),
            State::Waiting if request == ENTERED => Some(answer("waiting", json!({}))),
            _ => None,
        }
    }

    /// Whether a request has asked since the last call.
    pub(super) fn take_asked(&mut self) -> bool {
        std::mem::take(&mut self.is_asked)
    }

    /// Whether the ticket waits no longer.
    pub(super) fn is_decided(&self) -> bool {
        matches!(self.state, State::Decided(_))
    }

    /// The message with which the client leaves.
    pub(super) fn leave(&self) -> String {
        json!({"type": "leave", "room": self.room}).to_string()
    }

    /// Takes a message of the edge. Returns the message that the client sends then.
    pub(super) fn see(&mut self, head: &EventHead, text: &str) -> Option<String> {
        if self.is_decided() {
            return None;
        }
        let message: Value = serde_json::from_str(text).ok()?;
        if message["room"] != *self.room {
            return None;
        }
        let code = head.code.as_deref().unwrap_or_default();
        match head.kind.as_str() {
            "joined" => return self.joined(message["last_seq"].as_u64()),
            "ack" if matches!(self.state, State::Entering(seq) if head.seq >= Some(seq)) => {
                self.state = State::Waiting;
            }
            "direct" => return self.told(&message["data"]),
            "left" if code == "moved" => return self.go(&self.queue.to_string(), None),
            "error" if code == ErrorKind::RoomUnavailable.code() => {}
            "left" | "error" | "reject" => self.state = State::Decided(refusal(head, text)),
            _ => {}
        }
        None
    }

    /// Enters the queue.
    fn joined(&mut self, last_seq: Option<u64>) -> Option<String> {
        let seq = last_seq.unwrap_or(0) + 1;
        self.state = State::Entering(seq);
        Some(format!(
            "{{\"type\":\"input\",\"room\":\"{}\",\"seq\":{seq},\"data\":{}}}",
            self.room, self.enter
        ))
    }

    /// Takes a message of the queue to its player.
    fn told(&mut self, data: &Value) -> Option<String> {
        if let Some(invite) = data.get("invite") {
            let room = invite["room"].as_str()?;
            let is_shard = room.starts_with(self.queue.as_str());
            if is_shard {
                return self.go(room, Some(&invite["token"]));
            }
            let mut fields = invite.clone();
            fields["state"] = "matched".into();
            self.state = State::Decided(answer("matched", fields));
        } else if let Some(withdrawn) = data.get("withdrawn") {
            self.state = State::Decided(answer("withdrawn", withdrawn.clone()));
        } else if data.get("expired").is_some() {
            self.state = State::Decided(answer("expired", json!({})));
        }
        None
    }

    /// Joins another room of the queue.
    fn go(&mut self, room: &str, token: Option<&Value>) -> Option<String> {
        self.rooms += 1;
        if self.rooms > MOST_ROOMS {
            let text = "the queue sends the ticket from room to room; try again later";
            self.state = State::Decided(InputAnswer {
                kind: "error".to_owned(),
                code: ErrorKind::Busy.code().to_owned(),
                retry_after_ms: Some(1_000),
                text: json!({"type": "error", "code": "busy", "message": text}).to_string(),
            });
            return None;
        }
        room.clone_into(&mut self.room);
        self.state = State::Joining;
        let mut join = json!({"type": "join", "id": JOIN_ID, "room": room});
        if let Some(token) = token.filter(|token| token.is_string()) {
            join["token"] = token.clone();
        }
        Some(join.to_string())
    }
}

/// The answer that the ticket has this state.
pub(super) fn answer(state: &str, mut fields: Value) -> InputAnswer {
    fields["type"] = "ticket".into();
    fields["state"] = state.into();
    InputAnswer {
        kind: "ticket".to_owned(),
        code: String::new(),
        retry_after_ms: None,
        text: fields.to_string(),
    }
}

fn refusal(head: &EventHead, text: &str) -> InputAnswer {
    let kind = match head.kind.as_str() {
        "left" => "error",
        kind => kind,
    };
    let text = match head.kind.as_str() {
        "left" => json!({"type": "error", "code": head.code, "message": "the queue has let the player go"})
            .to_string(),
        _ => text.to_owned(),
    };
    InputAnswer {
        kind: kind.to_owned(),
        code: head.code.clone().unwrap_or_default(),
        retry_after_ms: head.retry_after_ms,
        text,
    }
}

#[cfg(test)]
mod tests {
    use grandstand_common::envelope::read_head;

    use super::*;

    fn see(ticket: &mut Ticket, message: &Value) -> Option<Value> {
        let text = message.to_string();
        let said = ticket.see(&read_head(text.as_bytes()), &text);
        said.map(|text| serde_json::from_str(&text).unwrap())
    }

    fn entered() -> Ticket {
        let mut ticket = Ticket::new("queue-a".parse().unwrap(), "7".to_owned());
        let joined = json!({"type": "joined", "room": "queue-a", "last_seq": 4});
        let input = json!({"type": "input", "room": "queue-a", "seq": 5, "data": 7});
        assert_eq!(see(&mut ticket, &joined), Some(input));
        assert_eq!(ticket.ask(ENTERED), None);
        see(
            &mut ticket,
            &json!({"type": "ack", "room": "queue-a", "seq": 5}),
        );
        ticket
    }

    fn direct(room: &str, data: &Value) -> Value {
        json!({"type": "direct", "room": room, "data": data})
    }

    #[test]
    fn a_ticket_waits_until_it_is_matched() {
        let mut ticket = entered();
        assert_eq!(
            ticket.ask(ENTERED).unwrap().text,
            r#"{"state":"waiting","type":"ticket"}"#
        );
        assert_eq!(ticket.ask(DECIDED), None);
        let invite = json!({"invite": {"room": "game-1", "token": "t"}});
        assert_eq!(see(&mut ticket, &direct("queue-b", &invite)), None);
        assert!(!ticket.is_decided());
        see(&mut ticket, &direct("queue-a", &invite));
        let answer = ticket.ask(DECIDED).unwrap();
        let wanted = r#"{"room":"game-1","state":"matched","token":"t","type":"ticket"}"#;
        assert_eq!(answer.text, wanted);
    }

    #[test]
    fn a_ticket_follows_its_queue_to_other_rooms() {
        let mut ticket = entered();
        let moved = json!({"invite": {"room": "queue-a-shard2", "token": "t"}});
        let join = json!({"type": "join", "id": 1, "room": "queue-a-shard2", "token": "t"});
        assert_eq!(see(&mut ticket, &direct("queue-a", &moved)), Some(join));
        let left = json!({"type": "left", "room": "queue-a", "code": "moved"});
        assert_eq!(see(&mut ticket, &left), None);
        let joined = json!({"type": "joined", "room": "queue-a-shard2", "last_seq": 0});
        assert_eq!(see(&mut ticket, &joined).unwrap()["seq"], 1);
        // The invitation was lost.
        let left = json!({"type": "left", "room": "queue-a-shard2", "code": "moved"});
        assert_eq!(see(&mut ticket, &left).unwrap()["room"], "queue-a");
        for _ in 0..MOST_ROOMS {
            let left = json!({"type": "left", "room": "queue-a", "code": "moved"});
            see(&mut ticket, &left);
        }
        assert_eq!(ticket.ask(DECIDED).unwrap().code, "busy");
    }

    #[test]
    fn a_ticket_that_the_queue_refuses_has_its_words() {
        for (message, kind, code) in [
            (
                json!({"type": "reject", "room": "queue-a", "seq": 5, "code": "no_rating", "message": "m"}),
                "reject",
                "no_rating",
            ),
            (
                json!({"type": "error", "id": 1, "code": "no_such_game", "message": "m", "room": "queue-a"}),
                "error",
                "no_such_game",
            ),
            (
                json!({"type": "left", "room": "queue-a", "code": "replaced"}),
                "error",
                "replaced",
            ),
        ] {
            let mut ticket = entered();
            see(&mut ticket, &message);
            let answer = ticket.ask(ENTERED).unwrap();
            assert_eq!((answer.kind.as_str(), answer.code.as_str()), (kind, code));
        }
        let mut ticket = entered();
        let later =
            json!({"type": "error", "code": "room_unavailable", "message": "m", "room": "queue-a"});
        see(&mut ticket, &later);
        assert!(ticket.ask(ENTERED).is_some() && !ticket.is_decided());
    }
}
