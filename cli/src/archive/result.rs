//! The results of games, as games emit them on the topic `results`.

use std::collections::HashSet;

use grandstand_common::bus::OutItem;
use grandstand_common::id::{BoardName, PlayerId, RoomId};
use grandstand_common::wire::Emitted;
use serde::Deserialize;
use serde_json::Value;

/// The most players of a result.
const MAX_PLAYERS: usize = 1000;

/// The largest amount of a score: the largest whole number that every reader of JSON can represent.
pub(super) const MAX_SCORE: i64 = (1 << 53) - 1;

/// The end of the year 9999, in Unix milliseconds: later times cannot be stored.
const MAX_AT_MS: u64 = 253_402_300_799_999;

/// A message of the topic, and what it says.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) message: OutItem,
    /// The result, or the reason why it is refused.
    pub(super) result: Result<GameResult, String>,
}

/// The result of one game.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GameResult {
    /// `{instance}.{no}`.
    pub(super) id: String,
    pub(super) room: RoomId,
    pub(super) game: String,
    pub(super) board: BoardName,
    pub(super) season: Option<BoardName>,
    pub(super) at_ms: i64,
    /// The game's data, as JSON without characters that databases cannot store.
    pub(super) data: String,
    pub(super) players: Vec<PlayerResult>,
}

/// The result of one player.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct PlayerResult {
    pub(super) player: PlayerId,
    pub(super) score: i64,
    #[serde(default)]
    pub(super) place: Option<u32>,
    #[serde(default)]
    pub(super) won: bool,
}

/// The data of a result. Other fields are kept, and mean nothing to the archive.
#[derive(Debug, Deserialize)]
struct Data {
    players: Vec<PlayerResult>,
    #[serde(default)]
    board: Option<BoardName>,
    #[serde(default)]
    season: Option<BoardName>,
}

impl From<OutItem> for Item {
    fn from(message: OutItem) -> Self {
        let result = parse(&message);
        Self { message, result }
    }
}

impl GameResult {
    /// The seasons in which the result counts: all results together, which have the empty name, and its own one.
    pub(super) fn seasons(&self) -> impl Iterator<Item = &str> {
        let own = self.season.as_ref().map(BoardName::as_str);
        [""].into_iter().chain(own)
    }
}

/// Reads a message. The error says what is wrong with it.
fn parse(message: &OutItem) -> Result<GameResult, String> {
    let body: Emitted =
        serde_json::from_slice(&message.body).map_err(|e| format!("the message is wrong: {e}"))?;
    if body.id != message.id {
        return Err(format!("the id in the message is {:?}", body.id));
    }
    let value: Value =
        serde_json::from_str(body.data.get()).map_err(|e| format!("data is wrong: {e}"))?;
    let data = Data::deserialize(&value).map_err(|e| format!("data is wrong: {e}"))?;
    if has_nul(&value) {
        return Err("data has a text with the character U+0000".to_owned());
    }
    check_players(&data.players)?;
    if body.at_ms > MAX_AT_MS {
        return Err(format!("at_ms is {}, after the year 9999", body.at_ms));
    }
    let game: BoardName = body
        .game
        .parse()
        .map_err(|e| format!("the name of the game {e}"))?;
    Ok(GameResult {
        id: body.id,
        room: body.room,
        board: data.board.unwrap_or_else(|| game.clone()),
        game: game.into(),
        season: data.season,
        at_ms: body.at_ms as i64,
        data: value.to_string(),
        players: data.players,
    })
}

fn check_players(players: &[PlayerResult]) -> Result<(), String> {
    if players.is_empty() || players.len() > MAX_PLAYERS {
        let count = players.len();
        return Err(format!("{count} players are not 1 to {MAX_PLAYERS}"));
    }
    let mut names = HashSet::new();
    for PlayerResult {
        player,
        score,
        place,
        ..
    } in players
    {
        if !names.insert(player) {
            return Err(format!("the player {player:?} is there twice"));
        }
        if !(-MAX_SCORE..=MAX_SCORE).contains(score) {
            return Err(format!(
                "the score {score} of {player:?} is beyond {MAX_SCORE}"
            ));
        }
        if place.is_some_and(|place| place == 0 || place > i32::MAX as u32) {
            return Err(format!("the place of {player:?} is not 1 or more"));
        }
    }
    Ok(())
}

/// Whether a text or key has the character U+0000, which PostgreSQL cannot store.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn item(body: impl Into<Bytes>) -> Item {
        Item::from(OutItem {
            seq: 1,
            time_ms: 5,
            topic: "results".parse().unwrap(),
            id: "a1.7".to_owned(),
            body: body.into(),
        })
    }

    fn with(data: Value) -> Result<GameResult, String> {
        let body = json!({"id": "a1.7", "room": "memory-1", "game": "memory", "topic": "results", "at_ms": 9, "data": data});
        item(body.to_string()).result
    }

    #[test]
    fn a_result_has_defaults_and_keeps_other_fields() {
        let result =
            with(json!({"players": [{"player": "zoë", "score": -3, "pairs": 4}], "map": "x"}))
                .unwrap();
        assert_eq!(
            (result.board.as_str(), result.season.as_ref()),
            ("memory", None)
        );
        let [player] = result.players.as_slice() else {
            panic!("{result:?}");
        };
        assert_eq!((player.score, player.place, player.won), (-3, None, false));
        assert!(result.data.contains("\"pairs\":4") && result.data.contains("map"));
        assert_eq!(result.seasons().collect::<Vec<_>>(), [""]);
        let players = json!([{"player": "a", "score": 1, "place": 1, "won": true}]);
        let result = with(json!({"players": players, "board": "ranked", "season": "s-1"})).unwrap();
        assert_eq!(result.board.as_str(), "ranked");
        assert_eq!(result.seasons().collect::<Vec<_>>(), ["", "s-1"]);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_a_reason() {
        let one = |player: Value| json!({"players": [player]});
        for (data, words) in [
            (json!({}), "missing field `players`"),
            (json!({"players": []}), "0 players"),
            (one(json!({"player": "a"})), "missing field `score`"),
            (one(json!({"player": "", "score": 1})), "is empty"),
            (one(json!({"player": "a", "score": 1.5})), "floating point"),
            (one(json!({"player": "a", "score": 1_i64 << 53})), "beyond"),
            (one(json!({"player": "a", "score": 1, "place": 0})), "place"),
            (
                one(json!({"player": "a", "score": 1, "note": "\0"})),
                "U+0000",
            ),
            (
                json!({"players": [{"player": "a", "score": 1}, {"player": "a", "score": 2}]}),
                "twice",
            ),
            (
                json!({"players": [{"player": "a", "score": 1}], "board": "no spaces"}),
                "not allowed",
            ),
        ] {
            let error = with(data.clone()).unwrap_err();
            assert!(error.contains(words), "{data}: {error}");
        }
        for body in ["", "\u{0}", "[1]", "{\"id\":\"a1.7\"}"] {
            assert!(item(body.to_owned()).result.is_err(), "{body:?}");
        }
        assert!(item(&[0xff_u8, 0xfe][..]).result.is_err());
        let other = json!({"id": "b.1", "room": "memory-1", "game": "memory", "topic": "results", "at_ms": 9, "data": {}});
        let error = item(other.to_string()).result.unwrap_err();
        assert!(error.contains("the id in the message"), "{error}");
    }
}
