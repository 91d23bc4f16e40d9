//! The rooms that a client may choose from.

use grandstand_common::id::{Epoch, Instance};
use grandstand_common::listing::Listing;
use grandstand_common::record::RoomListing;

use super::*;
use crate::server::backend::{LobbyPage, LobbyQuestion, LobbyRoom};

/// The lobby: one room, and further ones behind it. Those of the game `away` cannot be read.
pub(super) fn answer(question: &LobbyQuestion) -> Option<LobbyPage> {
    let listing = RoomListing {
        epoch: Epoch(1),
        instance: Instance(7),
        players: 1,
        spectators: 2,
        listing: Listing::of_seats(1, 2).with("map", "desert"),
    };
    let room: RoomId = "race-1".parse().unwrap();
    let is_wanted = question.wants(&room, &listing);
    (question.game.as_deref() != Some("away")).then(|| LobbyPage {
        last: Some(room.clone()),
        rooms: is_wanted
            .then_some(LobbyRoom { room, listing })
            .into_iter()
            .collect(),
        is_partial: question.limit == 1,
    })
}

#[test]
fn a_lobby_is_a_page_or_an_error_with_a_status() {
    run(setup(), async |rig| {
        let room = r#"{"room":"race-1","instance":"7","players":1,"spectators":2,"open":true,"seats":[1,2],"labels":{"map":"desert"}}"#;
        let (all, none) = (
            format!(r#"{{"type":"rooms","rooms":[{room}]}}"#),
            r#"{"type":"rooms","rooms":[]}"#.to_owned(),
        );
        let more = format!(r#"{{"type":"rooms","rooms":[{room}],"next":"race-1"}}"#);
        for (query, status, part) in [
            ("", 200, all.as_str()),
            ("?game=race&open=true&label=map:desert&limit=100", 200, &all),
            ("?limit=1&after=a-1", 200, &more),
            ("?game=chess", 200, &none),
            ("?open=false", 200, &none),
            ("?label=map:city", 200, &none),
            ("?label=map:desert&label=mode:duel", 200, &none),
            ("?game=away", 503, "lobby_unavailable"),
            ("?open=1", 400, "bad_message"),
            ("?limit=0", 400, "bad_message"),
            ("?limit=101", 400, "bad_message"),
            ("?label=map", 400, "bad_message"),
            ("?after=a%20b", 400, "bad_message"),
            ("?game=%FF", 400, "bad_query"),
            (
                "?label=a:1&label=b:1&label=c:1&label=d:1&label=e:1&label=f:1&label=g:1&label=h:1&label=i:1",
                400,
                "more than 8 times",
            ),
        ] {
            let request = format!("GET /v1/rooms{query}");
            let (head, said) = ask(&rig, "alice", &request, "", "").await;
            assert!(
                head.starts_with(&format!("http/1.1 {status} ")),
                "{query}: {head}{said}"
            );
            assert!(said.contains(part), "{query}: {said}");
            let is_kept = head.contains("cache-control: private, max-age=1\r\n");
            assert_eq!(is_kept, status == 200, "{head}");
        }
        let (head, _) = ask(&rig, "nobody", "GET /v1/rooms", "", "").await;
        assert!(head.starts_with("http/1.1 401 "), "{head}");
        let (head, _) = ask(&rig, "alice", "DELETE /v1/rooms", "", "").await;
        assert!(head.contains("allow: get, head, post\r\n"), "{head}");
    });
}
