use super::*;
use crate::partition::testing::{edge, room, start};

const COLD_AFTER: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(500);

fn audiences() -> Audiences {
    Audiences::new(Limits {
        presence_interval: INTERVAL,
        hot: HotLimits {
            hot_edges: 3,
            cold_edges: 2,
            cold_after: COLD_AFTER,
        },
        absent_rooms: 2,
    })
}

#[test]
fn a_hot_room_becomes_cold_only_after_few_edges_for_the_whole_time() {
    let (mut audiences, now) = (audiences(), start());
    let id = room("echo-1");
    let edges = ["e-1", "e-2", "e-3", "e-4"].map(edge);
    for edge in &edges[..3] {
        audiences.watch(&id, edge, Lane::Players, true);
    }
    assert_eq!(audiences.check_hot(&id, true, now), HotState::Cold);
    audiences.watch(&id, &edges[3], Lane::Spectators, true);
    assert_eq!(audiences.check_hot(&id, true, now), HotState::BecameHot);

    for edge in &edges[1..] {
        audiences.unwatch(&id, edge, true, now);
    }
    assert_eq!(audiences.check_hot(&id, true, now), HotState::Hot);
    let later = now + COLD_AFTER / 2;
    audiences.watch(&id, &edges[1], Lane::Players, true);
    assert_eq!(audiences.check_hot(&id, true, later), HotState::Hot);
    audiences.unwatch(&id, &edges[1], true, later);
    assert_eq!(audiences.check_hot(&id, true, later), HotState::Hot);

    assert_eq!(audiences.due_cooling(now + COLD_AFTER), []);
    let cold = later + COLD_AFTER;
    assert_eq!(audiences.due_cooling(cold), std::slice::from_ref(&id));
    assert_eq!(audiences.check_hot(&id, true, cold), HotState::BecameCold);
    assert_eq!(audiences.check_hot(&id, true, cold), HotState::Cold);
}

#[test]
fn an_edge_is_sent_to_directly_until_it_has_confirmed_the_hot_rooms_subject() {
    let mut audiences = audiences();
    let id = room("echo-1");
    let (player, viewer) = (edge("e-1"), edge("e-2"));
    audiences.watch(&id, &player, Lane::Players, true);
    audiences.watch(&id, &viewer, Lane::Spectators, true);
    let of = |audiences: &Audiences, lanes| {
        let edges = audiences.direct_edges(&id, lanes).into_iter();
        edges.map(|(edge, _)| edge).collect::<Vec<_>>()
    };
    assert_eq!(of(&audiences, [true, false]), std::slice::from_ref(&player));
    assert_eq!(of(&audiences, [true; 2]), [player.clone(), viewer.clone()]);

    assert!(!audiences.confirm(&id, &player, true));
    assert_eq!(of(&audiences, [true; 2]), [viewer]);
    assert!(audiences.confirm(&id, &player, false));
    assert_eq!(of(&audiences, [true, false]), [player]);
}

#[test]
fn a_presence_is_sent_once_an_interval_and_only_if_it_has_changed() {
    let (mut audiences, now) = (audiences(), start());
    let (id, edge) = (room("echo-1"), edge("e-1"));
    audiences.watch(&id, &edge, Lane::Spectators, true);
    audiences.set_viewers(&id, &edge, 5, now);
    let presence = audiences.take_presence(&id, now);
    assert_eq!(presence, Some((5, vec![(edge.clone(), [false, true])])));
    assert_eq!(audiences.take_presence(&id, now + INTERVAL), None);

    audiences.set_viewers(&id, &edge, 5, now + INTERVAL);
    assert_eq!(audiences.poll_timeout(), None, "it has not changed");
    audiences.set_viewers(&id, &edge, 6, now);
    assert_eq!(audiences.take_presence(&id, now), None, "too early");
    assert_eq!(audiences.poll_timeout(), Some(now + INTERVAL));
    assert!(audiences.take_presence(&id, now + INTERVAL).is_some());
}

#[test]
fn the_limit_of_absent_rooms_counts_neither_created_nor_unwatched_ones() {
    let (mut audiences, now) = (audiences(), start());
    let edge = edge("e-1");
    let [first, second, third] = ["echo-1", "echo-2", "echo-3"].map(room);
    audiences.watch(&first, &edge, Lane::Players, false);
    audiences.watch(&second, &edge, Lane::Players, false);
    assert!(audiences.is_full(&third));
    assert!(!audiences.is_full(&first), "it is watched already");

    audiences.on_created(&first);
    assert!(!audiences.is_full(&third));
    audiences.watch(&third, &edge, Lane::Players, false);
    assert!(audiences.is_full(&room("echo-4")));
    audiences.unwatch(&second, &edge, false, now);
    assert!(!audiences.is_full(&room("echo-4")));
}

#[test]
fn viewers_are_counted_by_game_as_long_as_their_edges_watch() {
    let (mut audiences, now) = (audiences(), start());
    let (first, second) = (room("echo-1"), room("relay-1"));
    let edges = [edge("e-1"), edge("e-2")];
    let of = |audiences: &Audiences| -> Vec<_> {
        let all = audiences.viewers_by_game();
        all.map(|(game, viewers)| (game.to_owned(), viewers))
            .collect()
    };
    for edge in &edges {
        for id in [&first, &second] {
            audiences.watch(id, edge, Lane::Spectators, true);
            audiences.set_viewers(id, edge, 5, now);
        }
    }
    audiences.set_viewers(&first, &edges[0], 7, now);
    let counts = |echo, relay| [("echo".to_owned(), echo), ("relay".to_owned(), relay)];
    assert_eq!(of(&audiences), counts(12, 10));
    audiences.unwatch(&first, &edges[0], true, now);
    audiences.unwatch_spectators(&second, &edges[1]);
    assert_eq!(of(&audiences), counts(5, 5));
    audiences.unwatch(&first, &edges[1], true, now);
    audiences.close(&second, true);
    assert_eq!(of(&audiences), counts(0, 0));
}
