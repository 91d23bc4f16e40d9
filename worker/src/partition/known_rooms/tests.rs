use super::*;
use crate::partition::residence::Stored;
use crate::partition::testing::room;
use crate::stored::quarantine::QuarantineReason;

fn stored() -> Residence {
    Residence::Stored(Stored::new(Instance(9), None))
}

#[test]
fn stored_rooms_are_counted_while_that_is_their_residence() {
    let mut known = KnownRooms::default();
    let [first, second] = ["echo-1", "echo-2"].map(room);
    known.insert(&first, stored(), 4, 40);
    known.set_residence(&second, stored());
    known.set_residence(&second, stored());
    assert_eq!((known.loaded(), known.stored()), (0, 2));

    let reason = QuarantineReason::TooBig;
    known.set_residence(&first, Residence::Quarantined(reason));
    assert_eq!(known.stored(), 1);
    let room = known.get(&first).unwrap();
    assert!(!room.exists() && room.covers(4) && !room.covers(5));
    assert_eq!(room.revision(), 40, "it keeps what is stored");

    known.remove(&second, 50);
    assert_eq!(known.stored(), 0);
}

#[test]
fn a_room_that_is_created_again_begins_with_the_revision_of_its_delete_marker() {
    let mut known = KnownRooms::default();
    let id = room("echo-1");
    known.insert(&id, Residence::Deleted(4), 4, 40);
    known.remove(&id, 41);
    assert!(known.get(&id).is_none());

    known.set_residence(&id, stored());
    let room = known.get(&id).unwrap();
    assert_eq!(room.revision(), 41);
    assert!(!room.covers(1), "nothing of the instance before counts");
}
