//! The results of games, as games emit them on the topic `results`.

use grandstand_common::bus::OutItem;
use grandstand_common::id::{BoardName, RoomId};
use grandstand_common::scores::{GameScores, PlayerScore};
use grandstand_common::wire::Emitted;
use serde_json::Value;

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
    pub(super) players: Vec<PlayerScore>,
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
    let scores = GameScores::read(&value).map_err(|e| e.to_string())?;
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
        board: scores.board.unwrap_or_else(|| game.clone()),
        game: game.into(),
        season: scores.season,
        at_ms: body.at_ms as i64,
        data: value.to_string(),
        players: scores.players,
    })
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
