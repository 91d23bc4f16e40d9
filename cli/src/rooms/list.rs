//! `rooms list` and `rooms show`.

use std::io::{self, Write as _};

use grandstand_common::exit::{Exit, Failure};
use grandstand_common::id::RoomId;
use grandstand_common::wire::{ListPage, OperatorWant};

use super::owners::{Owners, Room, rooms};
use crate::print::{cannot_print, ignore_closed_pipe, say};
use crate::progress::{ListStep, Progress};

/// The rooms to list.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ListArgs {
    /// Rooms of this game only
    #[arg(long, value_name = "NAME")]
    game: Option<String>,
    /// Rooms in this state only
    #[arg(long, value_name = "STATE", value_parser = ["loaded", "stored", "quarantined", "too_new"])]
    state: Option<String>,
    /// Rooms that further players may join only
    #[arg(long)]
    open: bool,
    /// Rooms with this label only; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "not NAME=VALUE, for example map=desert".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The rooms of a page.
const PAGE: u32 = 500;

/// Lists the rooms of all partitions. Those of a partition without an owner are missing, and said to be.
pub(super) async fn list(owners: &Owners, wanted: &ListArgs, is_json: bool) -> Result<(), Failure> {
    let partitions: Vec<_> = owners.bus().layout().all_partitions().collect();
    let of = partitions.len();
    let mut progress = Progress::new();
    let mut all = Vec::new();
    let mut silent = Vec::new();
    for (done, partition) in partitions.into_iter().enumerate() {
        progress.show(ListStep { done, of });
        let mut from = 0;
        loop {
            let page = OperatorWant::List(ListPage { from, limit: PAGE });
            match owners.ask(partition, page).await {
                Ok(reply) => {
                    all.extend(
                        rooms(&reply)?
                            .into_iter()
                            .filter(|room| matches(room, wanted)),
                    );
                    from = reply.next;
                }
                Err(failure) if failure.exit() == Exit::Unavailable => {
                    silent.push(failure.to_string());
                    break;
                }
                Err(failure) => return Err(failure),
            }
            if from == 0 {
                break;
            }
        }
        // One partition without an owner is waited for; if there is one, the others are asked all the same.
        if silent.len() >= 3 {
            break;
        }
    }
    progress.end();
    all.sort_unstable_by(|a, b| a.room.cmp(&b.room));
    let printed = print(&all, is_json);
    printed.or_else(ignore_closed_pipe).map_err(cannot_print)?;
    for why in &silent {
        say(format_args!("grandstand: {why}"));
    }
    match silent.len() {
        0 => Ok(()),
        _ => Err(Failure::new(
            Exit::Unavailable,
            "the list is incomplete, because owners do not answer",
        )),
    }
}

fn matches(room: &Room, wanted: &ListArgs) -> bool {
    let id = room.room.parse::<RoomId>();
    let game = id.as_ref().map_or("", |id| id.game());
    wanted.game.as_deref().is_none_or(|name| game == name)
        && wanted
            .state
            .as_ref()
            .is_none_or(|state| room.state == *state)
        && (!wanted.open || room.listing.as_ref().is_some_and(|listing| listing.open))
        && wanted.labels.iter().all(|(name, value)| {
            let labels = room.listing.as_ref().map(|listing| &listing.labels);
            labels.and_then(|labels| labels.get(name)) == Some(value)
        })
}

fn print(rooms: &[Room], is_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if is_json {
        for room in rooms {
            serde_json::to_writer(&mut out, room)?;
            writeln!(out)?;
        }
        return out.flush();
    }
    let width = rooms
        .iter()
        .map(|room| room.room.len())
        .max()
        .unwrap_or(0)
        .max(4);
    writeln!(
        out,
        "{:width$}  {:11}  {:>7}  {:>10}  {:>7}  note",
        "room", "state", "players", "spectators", "seats"
    )?;
    for room in rooms {
        let Room {
            room: name,
            state,
            players,
            spectators,
            ..
        } = room;
        let (seats, note) = (seats(room), note(room));
        let line = format!(
            "{name:width$}  {state:11}  {players:>7}  {spectators:>10}  {seats:>7}  {note}"
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    let count = rooms.len();
    writeln!(out, "{count} {}", if count == 1 { "room" } else { "rooms" })?;
    out.flush()
}

/// Returns the taken seats of a room, and all; nothing for a room that lobbies do not show.
fn seats(room: &Room) -> String {
    match room.listing.as_ref().map(|listing| listing.seats) {
        None => String::new(),
        Some((taken, 0)) => taken.to_string(),
        Some((taken, all)) => format!("{taken}/{all}"),
    }
}

/// Returns the labels of a room, and the unusual facts about it.
fn note(room: &Room) -> String {
    let mut notes = Vec::new();
    if let Some(listing) = &room.listing {
        notes.extend(listing.open.then(|| "open".to_owned()));
        let labels = listing.labels.iter();
        notes.extend(labels.map(|(name, value)| format!("{name}={value}")));
    }
    notes.extend(room.code.clone());
    if room.is_hot {
        notes.push("hot".to_owned());
    }
    if room.is_waiting {
        notes.push("waits for acks".to_owned());
    }
    if room.unacked > 0 {
        notes.push(format!("{} items not acked", room.unacked));
    }
    notes.join(", ")
}

/// Shows one room.
pub(super) async fn show(owners: &Owners, room: &RoomId, is_json: bool) -> Result<(), Failure> {
    let room = owners.show(room).await?;
    let printed = if is_json {
        print(std::slice::from_ref(&room), true)
    } else {
        describe(&room)
    };
    printed.or_else(ignore_closed_pipe).map_err(cannot_print)
}

fn describe(room: &Room) -> io::Result<()> {
    let none = || "none".to_owned();
    let last = room
        .last
        .map_or_else(|| "not in memory".to_owned(), |last| last.to_string());
    let mut lines = vec![
        ("room", room.room.clone()),
        ("state", room.state.clone()),
        ("instance", room.instance.clone().unwrap_or_else(none)),
        ("players", room.players.to_string()),
        ("spectators", room.spectators.to_string()),
        ("seats", seats(room)),
        ("edges", room.edges.to_string()),
        ("partition", room.partition.to_string()),
        ("epoch", room.epoch.to_string()),
        ("last entry", last),
    ];
    let note = note(room);
    if !note.is_empty() {
        lines.push(("note", note));
    }
    let mut out = io::stdout().lock();
    for (name, value) in lines {
        writeln!(out, "{name:10}  {value}")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use grandstand_common::listing::Listing;

    use super::*;

    fn room(name: &str) -> Room {
        Room {
            room: name.to_owned(),
            partition: 3,
            epoch: 5,
            state: "loaded".to_owned(),
            instance: None,
            code: None,
            players: 2,
            spectators: 0,
            edges: 1,
            is_hot: false,
            last: Some(9),
            unacked: 0,
            is_waiting: false,
            listing: None,
        }
    }

    #[test]
    fn a_list_has_the_wanted_rooms_and_says_what_is_unusual() {
        let wanted = ListArgs {
            game: Some("memory".to_owned()),
            state: None,
            open: false,
            labels: Vec::new(),
        };
        assert!(matches(&room("memory-1"), &wanted));
        assert!(!matches(&room("memoryless-1"), &wanted));
        assert_eq!(note(&room("a-1")), "");
        let odd = Room {
            code: Some("room_unavailable".to_owned()),
            unacked: 3,
            ..room("a-1")
        };
        assert_eq!(note(&odd), "room_unavailable, 3 items not acked");
        assert_eq!(seats(&odd), "");
        let listed = Room {
            listing: Some(Listing::of_seats(1, 2).with("map", "desert")),
            ..room("memory-1")
        };
        assert_eq!(
            (seats(&listed), note(&listed)),
            ("1/2".into(), "open, map=desert".into())
        );
        let chosen = |open, map: &str| {
            let labels = vec![label(&format!("map={map}")).unwrap()];
            matches(
                &listed,
                &ListArgs {
                    open,
                    labels,
                    ..wanted.clone()
                },
            )
        };
        assert!(chosen(true, "desert") && chosen(false, "desert") && !chosen(true, "city"));
        let open = ListArgs {
            open: true,
            ..wanted.clone()
        };
        assert!(!matches(&room("memory-1"), &open), "not listed");
        assert!(label("map").is_err());
    }
}
