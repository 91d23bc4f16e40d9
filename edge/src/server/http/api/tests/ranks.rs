//! Ranks of leaderboards.

use grandstand_common::leaderboard::{LeaderboardError, LeaderboardErrorCode};
use serde_json::json;

use super::*;

/// The archive: the board `memory` has one player, the board `away` has no database, and others have no results.
pub(super) fn answer(request: &LeaderboardRequest) -> LeaderboardAnswer {
    let error = |code| LeaderboardAnswer::Error(LeaderboardError::new(code, "why"));
    let row = json!({"rank": 1, "player": "alice", "score": 12, "at_ms": 7, "games": 1, "wins": 1});
    let around = request.around.as_ref().map(|player| player.as_str());
    let page = match (request.board.as_str(), around) {
        ("away", _) => return error(LeaderboardErrorCode::Unavailable),
        ("memory", None | Some("alice")) => json!({"page": {"players": 1, "rows": [row]}}),
        (_, Some(_)) => return error(LeaderboardErrorCode::NoSuchPlayer),
        (_, None) => json!({"page": {"players": 0, "rows": []}}),
    };
    serde_json::from_value(page).unwrap()
}

#[test]
fn ranks_are_a_page_or_an_error_with_a_status() {
    run(setup(), async |rig| {
        for (query, status, part) in [
            ("memory", 200, r#""rank":1,"player":"alice","score":12"#),
            (
                "memory?season=s&by=total&limit=100&around=alice",
                200,
                r#"{"type":"leaderboard","board":"memory","season":"s","by":"total","players":1"#,
            ),
            ("memory?after=12.7.alice", 200, "alice"),
            ("memory?around=bob", 404, "no_such_player"),
            ("none", 404, "no_such_board"),
            ("none?around=bob", 404, "no_such_player"),
            ("away", 503, "archive_unavailable"),
            ("a%20b", 400, "bad_message"),
            ("memory?limit=0", 400, "bad_message"),
            ("memory?limit=101", 400, "bad_message"),
            ("memory?limit=-1", 400, "bad_message"),
            ("memory?limit=ten", 400, "bad_message"),
            ("memory?by=worst", 400, "bad_message"),
            ("memory?season=a%20b", 400, "bad_message"),
            ("memory?around=a&after=1.2.b", 400, "bad_message"),
            ("memory?after=x", 400, "bad_message"),
            ("memory?around=%FF", 400, "bad_query"),
        ] {
            let request = format!("GET /v1/leaderboards/{query}");
            let (head, said) = ask(&rig, "alice", &request, "", "").await;
            assert!(
                head.starts_with(&format!("http/1.1 {status} ")),
                "{query}: {head}{said}"
            );
            assert!(said.contains(part), "{query}: {said}");
            let is_kept = head.contains("cache-control: private, max-age=1\r\n");
            assert_eq!(is_kept, status == 200, "{head}");
            assert_eq!(head.contains("retry-after: 2\r\n"), status == 503, "{head}");
        }
        let (head, _) = ask(&rig, "nobody", "GET /v1/leaderboards/memory", "", "").await;
        assert!(head.starts_with("http/1.1 401 "), "{head}");
        let (head, _) = ask(&rig, "alice", "POST /v1/leaderboards/memory", "", "").await;
        assert!(head.contains("allow: get, head\r\n"), "{head}");
    });
}
