use super::*;

use grandstand_common::id::{Epoch, Instance};

const SECOND: Duration = Duration::from_secs(1);

fn id() -> RoomId {
    "race-1".parse().unwrap()
}

fn shown(players: u32, spectators: u64) -> Option<RoomListing> {
    Some(RoomListing {
        epoch: Epoch(3),
        instance: Instance(7),
        players,
        spectators,
        listing: Listing::of_seats(1, 2),
    })
}

/// A lobby without rooms, and a time.
#[allow(clippy::disallowed_methods)]
fn empty() -> (Lobby, Instant) {
    (Lobby::default(), Instant::now())
}

/// A lobby whose room was touched at the returned time.
fn touched() -> (Lobby, Instant) {
    let (mut lobby, now) = empty();
    lobby.touch(&id(), now);
    assert_eq!(lobby.pop_due(now), Some(id()));
    (lobby, now)
}

/// A lobby whose room was stored with revision 5 at the returned time.
fn stored() -> (Lobby, Instant) {
    let (mut lobby, now) = touched();
    let step = lobby.look(&id(), shown(1, 0), now);
    assert_eq!(step, Some(LobbyStep::Put(0, shown(1, 0).unwrap())));
    lobby.on_written(&id(), Some(5), now);
    assert_eq!(lobby.listing(&id()), Some(&Listing::of_seats(1, 2)));
    (lobby, now)
}

#[test]
fn a_room_is_written_at_most_once_a_second() {
    let (mut lobby, now) = stored();
    for _ in 0..3 {
        lobby.touch(&id(), now);
    }
    assert_eq!(lobby.poll_timeout(), Some(now + SECOND));
    assert_eq!(lobby.pop_due(now), None);
    assert_eq!(lobby.pop_due(now + SECOND), Some(id()));
    let step = lobby.look(&id(), shown(2, 0), now + SECOND);
    assert_eq!(step, Some(LobbyStep::Put(5, shown(2, 0).unwrap())));
}

#[test]
fn spectators_alone_are_written_every_ten_seconds() {
    let (mut lobby, now) = stored();
    assert_eq!(lobby.look(&id(), shown(1, 9), now + SECOND), None);
    assert_eq!(lobby.poll_timeout(), Some(now + SPECTATORS_INTERVAL));
    let step = lobby.look(&id(), shown(1, 9), now + SPECTATORS_INTERVAL);
    assert_eq!(step, Some(LobbyStep::Put(5, shown(1, 9).unwrap())));
}

#[test]
fn a_listing_is_renewed_before_it_is_removed() {
    let (mut lobby, now) = stored();
    let due = lobby.poll_timeout().unwrap();
    assert!(
        due > now + SECOND && due < now + KEPT_FOR,
        "{:?}",
        due - now
    );
    let step = lobby.look(&id(), shown(1, 0), due);
    assert_eq!(step, Some(LobbyStep::Put(5, shown(1, 0).unwrap())));
}

#[test]
fn what_happens_during_a_write_is_looked_at_after_it() {
    let (mut lobby, now) = touched();
    lobby.look(&id(), shown(1, 0), now);
    lobby.touch(&id(), now);
    assert_eq!(lobby.poll_timeout(), None);
    lobby.on_written(&id(), Some(5), now);
    assert_eq!(lobby.poll_timeout(), Some(now + SECOND));
}

#[test]
fn a_failed_write_reads_the_revision_first() {
    let (mut lobby, now) = touched();
    lobby.look(&id(), shown(1, 0), now);
    lobby.on_written(&id(), None, now);
    assert_eq!(lobby.poll_timeout(), Some(now + RETRY));
    let later = now + RETRY;
    assert_eq!(lobby.pop_due(later), Some(id()));
    assert_eq!(lobby.look(&id(), shown(1, 0), later), Some(LobbyStep::Read));
    lobby.on_read(&id(), Some(8), later);
    assert_eq!(lobby.pop_due(later), Some(id()));
    let step = lobby.look(&id(), shown(1, 0), later);
    assert_eq!(step, Some(LobbyStep::Put(8, shown(1, 0).unwrap())));
}

#[test]
fn a_room_that_is_over_is_deleted_and_may_come_back() {
    let (mut lobby, now) = stored();
    let step = lobby.look(&id(), None, now + SECOND);
    assert_eq!(step, Some(LobbyStep::Delete(5)));
    lobby.on_written(&id(), Some(6), now + SECOND);
    assert_eq!(lobby.listing(&id()), None);
    assert_eq!(lobby.poll_timeout(), None, "nothing is left to do");
    lobby.touch(&id(), now + 2 * SECOND);
    let later = now + 2 * SECOND;
    assert_eq!(lobby.look(&id(), shown(1, 0), later), Some(LobbyStep::Read));
}

#[test]
fn a_game_without_a_listing_costs_no_write() {
    let (mut lobby, now) = touched();
    assert_eq!(lobby.look(&id(), None, now), None);
    assert_eq!(lobby.poll_timeout(), None);
}

#[test]
fn rooms_that_wait_for_writes_are_not_due() {
    let (mut lobby, now) = empty();
    lobby.touch(&id(), now);
    lobby.hold(true);
    assert_eq!(lobby.poll_timeout(), None);
    lobby.hold(false);
    assert_eq!(lobby.poll_timeout(), Some(now));
}

#[test]
fn a_fault_is_reported_once() {
    let (mut lobby, _) = touched();
    assert!(lobby.set_refused(&id(), true));
    assert!(!lobby.set_refused(&id(), true));
    lobby.set_refused(&id(), false);
    assert!(lobby.set_refused(&id(), true));
}
