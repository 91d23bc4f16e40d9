//! A player of `memory` with a perfect memory.

use std::collections::BTreeMap;

use grandstand_harness::client::Client;
use serde_json::{Value, json};

/// Plays until the game is over.
///
/// # Panics
/// If the connection is closed.
pub async fn play(mut client: Client, me: &str, room: &str) -> Client {
    loop {
        let known = &client.rooms[room];
        if known.view["phase"] == "over" {
            break;
        }
        let last = client.log.iter().rev();
        let last = last
            .clone()
            .find(|m| m["room"] == room && m["type"] != "presence");
        if let Some(card) = choose(&known.view, &known.updates, me)
            && known.unanswered() == 0
            && last.is_some_and(invites)
        {
            client
                .input(room, json!({"op": "flip", "card": card}))
                .await;
        }
        client.next().await.expect("the connection is open");
    }
    client
}

/// Whether no other message follows immediately, as `turn` follows `hidden` and `over` follows `matched`.
fn invites(message: &Value) -> bool {
    let kind = message["data"]["kind"].as_str();
    message["type"] != "update" || matches!(kind, Some("turn" | "started" | "flipped"))
}

/// Chooses the card to flip if it is this player's turn.
fn choose(view: &Value, updates: &[Value], me: &str) -> Option<usize> {
    let open = view["open"].as_array()?;
    if view["phase"] != "playing" || view["turn"] != me || open.len() == 2 {
        return None;
    }
    let cards = view["cards"].as_array()?;
    let flipped = updates.iter().filter(|u| u["kind"] == "flipped");
    let faces: BTreeMap<usize, &Value> = flipped
        .map(|u| (u["card"].as_u64().unwrap_or_default() as usize, &u["face"]))
        .collect();
    let hidden = || (0..cards.len()).filter(|&card| cards[card].is_null());
    let twin = |face: &Value, but: Option<usize>| {
        hidden().find(|card| faces.get(card) == Some(&face) && Some(*card) != but)
    };
    let known = match open.first() {
        Some(card) => twin(&cards[card.as_u64()? as usize], None),
        None => hidden().find(|c| faces.get(c).is_some_and(|f| twin(f, Some(*c)).is_some())),
    };
    known.or_else(|| hidden().find(|card| !faces.contains_key(card)))
}
