//! The examples of the page for authors of games.

use grandstand_common::bus::OutItem;
use grandstand_common::leaderboard::{LeaderboardAnswer, LeaderboardRequest};
use serde_json::{Value, json};

use crate::archive::result::Item;

#[test]
fn the_examples_in_the_documentation_are_right() {
    let page = include_str!("../../../../docs/games/archive.md");
    let examples = page.split("```json\n").skip(1);
    let examples: Vec<_> = examples
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let [data, request, answers @ ..] = examples.as_slice() else {
        panic!("{examples:?}");
    };
    let data: Value = serde_json::from_str(data).unwrap();
    let body = json!({
        "id": "a.1", "room": "memory-1", "game": "memory", "topic": "results", "at_ms": 5, "data": data,
    });
    let item = Item::from(OutItem {
        seq: 1,
        time_ms: 5,
        topic: "results".parse().unwrap(),
        id: "a.1".to_owned(),
        body: body.to_string().into(),
    });
    let result = item.result.unwrap();
    assert_eq!((result.board.as_str(), result.players.len()), ("ranked", 2));
    let request: LeaderboardRequest = serde_json::from_str(request).unwrap();
    request.check().unwrap();
    assert_eq!(answers.len(), 2);
    for answer in answers {
        serde_json::from_str::<LeaderboardAnswer>(answer).unwrap();
    }
}
