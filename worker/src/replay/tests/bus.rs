//! Replays from an embedded bus.

use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusOptions, Read};
use grandstand_common::exit::{Exit, ExitError as _};
use grandstand_common::id::RoomId;
use grandstand_common::subject;
use grandstand_game::Games;
use prost::Message;

use super::desk::*;
use super::odd::Odd;
use super::*;

fn bus(options: BusOptions) -> Bus {
    Bus::embedded(&BusOptions {
        partitions: 4,
        streams: 2,
        ..options
    })
    .unwrap()
}

async fn append(bus: &Bus, room: &RoomId, entry: &grandstand_common::wire::Entry) -> u64 {
    let subject = subject::log(room.partition(4), room);
    let receipt = bus.append(subject, entry.encode_to_vec().into()).await;
    receipt.unwrap().await.unwrap()
}

async fn run(bus: &Bus, room: &str) -> (Result<Report, ReplayError>, Vec<Line>) {
    let request = Request {
        room: room.parse().unwrap(),
        instance: None,
        until: None,
        from_snapshot: false,
    };
    let mut lines = Vec::new();
    let output = Output {
        line: Some(&mut |line: &Line| {
            lines.push(line.clone());
            Ok(())
        }),
        progress: &mut |_| {},
    };
    let games = Games::new().with::<Odd>();
    let report = replay(bus, &games, &request, output).await;
    (report, lines)
}

#[tokio::test]
async fn a_room_among_others_is_replayed_and_compared() {
    let bus = bus(BusOptions::default());
    let rooms: [RoomId; 2] = ["odd-1".parse().unwrap(), "odd-2".parse().unwrap()];
    for n in 0..300 {
        for room in &rooms {
            let entry = match n {
                0 => joined("alice", 10, 7),
                n => input(("alice", 10), n, n, "roll"),
            };
            append(&bus, room, &entry).await;
        }
    }
    let mut desk = Desk::new();
    let mut reader = bus.read_room(&rooms[0], 1).await.unwrap();
    while let Read::Item(entry, behind) = reader.next().await {
        desk.log.push(entry);
        if behind == 0 {
            break;
        }
    }
    let at = desk.log[200].seq;
    desk.store(at);
    let key = subject::room_key(rooms[0].partition(4), &rooms[0]);
    let bucket = Bucket::Rooms(rooms[0].partition(4));
    let value = desk.key.unwrap().value.unwrap();
    bus.put_if(bucket, &key, value, 0).await.unwrap();
    let (report, lines) = run(&bus, "odd-1").await;
    let report = report.unwrap();
    assert_eq!((report.tally.entries, lines.len()), (300, 300));
    let Comparison::Equal { seq, hash, .. } = &report.comparison else {
        panic!("{report}");
    };
    assert_eq!(*seq, at);
    assert_eq!(lines[200].hash, Some(*hash));
    let (other, _) = run(&bus, "odd-2").await;
    assert_eq!(other.unwrap().comparison, Comparison::NotStored);
}

#[tokio::test]
async fn missing_rooms_games_and_entries_have_their_exit_codes() {
    let small = BusOptions {
        log_memory: 2 * 2048,
        ..BusOptions::default()
    };
    let bus = bus(small);
    let (report, _) = run(&bus, "odd-1").await;
    assert_eq!(report.unwrap_err().exit(), Exit::NoInput);

    let unknown: RoomId = "chess-1".parse().unwrap();
    let (report, _) = run(&bus, "chess-1").await;
    let error = report.unwrap_err();
    assert_eq!(error.exit(), Exit::NoInput, "no entry is of the room");
    let said = error.to_string();
    assert!(said.contains("no room chess-1"), "{said}");
    assert!(said.contains("it has odd"), "{said}");
    let key = subject::room_key(bus.layout().partition_of(&unknown), &unknown);
    let bucket = Bucket::Rooms(bus.layout().partition_of(&unknown));
    let revision = bus.put_if(bucket, &key, "x".into(), 0).await.unwrap();
    let (report, _) = run(&bus, "chess-1").await;
    assert_eq!(
        report.unwrap_err().exit(),
        Exit::Unavailable,
        "the room exists, but its game does not"
    );
    let marker = bus.delete_if(bucket, &key, revision, Duration::from_secs(1));
    marker.await.unwrap();
    append(&bus, &unknown, &joined("alice", 10, 7)).await;
    let (report, lines) = run(&bus, "chess-1").await;
    let error = report.unwrap_err();
    assert_eq!((error.exit(), lines.len()), (Exit::Unavailable, 1));
    assert!(error.to_string().contains("it has odd"), "{error}");

    let room: RoomId = "odd-1".parse().unwrap();
    append(&bus, &room, &joined("alice", 10, 7)).await;
    for n in 1..100 {
        append(&bus, &room, &input(("alice", 10), n, n, "roll")).await;
    }
    let (report, lines) = run(&bus, "odd-1").await;
    let error = report.unwrap_err();
    assert_eq!((error.exit(), lines.len()), (Exit::NoInput, 0));
    assert!(
        error.to_string().contains("no longer in the log"),
        "{error}"
    );
}

#[tokio::test]
async fn a_line_that_cannot_be_written_ends_the_replay() {
    let bus = bus(BusOptions::default());
    let room: RoomId = "odd-1".parse().unwrap();
    append(&bus, &room, &joined("alice", 10, 7)).await;
    let request = Request {
        room,
        instance: None,
        until: None,
        from_snapshot: false,
    };
    let output = Output {
        line: Some(&mut |_: &Line| Err(std::io::ErrorKind::BrokenPipe.into())),
        progress: &mut |_| {},
    };
    let games = Games::new().with::<Odd>();
    let error = replay(&bus, &games, &request, output).await.unwrap_err();
    assert!(matches!(error, ReplayError::Output(_)), "{error}");
}
