//! Entries and interest requests of edges, and summaries of the items that they receive.

use grandstand_common::data::Data;
use grandstand_common::id::RoomId;
use grandstand_common::wire::{
    Body, Empty, Entry, Input, Interest, ItemKind, Joined, Known, RoomInterest,
};

pub(super) fn room_id(text: &str) -> RoomId {
    text.parse().unwrap()
}

/// Returns the edge of a session, which is named by the first digit of its id.
pub(super) fn edge_of(session: u64) -> String {
    let digits = session.to_string();
    format!("e{}", &digits[..1])
}

pub(super) fn entry(sender: (&str, u64), n: u64, body: Body) -> Entry {
    Entry {
        player: sender.0.to_owned(),
        session: sender.1,
        n,
        round: 1,
        edge: edge_of(sender.1),
        logged_ms: 0,
        body: Some(body),
    }
}

pub(super) fn joined(player: &str, session: u64) -> Entry {
    let joined = Joined {
        seed: vec![7; 32].into(),
        ..Joined::default()
    };
    entry((player, session), 0, Body::Joined(joined))
}

pub(super) fn input(sender: (&str, u64), n: u64, seq: u64, text: &str) -> Entry {
    let data = Some(Data::Json(text.to_owned().into()));
    entry(
        sender,
        n,
        Body::Input(Input {
            seq,
            data,
            ..Input::default()
        }),
    )
}

pub(super) fn left(sender: (&str, u64), n: u64) -> Entry {
    entry(sender, n, Body::Left(Empty {}))
}

pub(super) fn lost(sender: (&str, u64), n: u64) -> Entry {
    entry(sender, n, Body::Lost(Empty {}))
}

pub(super) fn here(sender: (&str, u64), n: u64) -> Entry {
    entry(sender, n, Body::Here(Empty {}))
}

/// Returns a request of an edge that watches both lanes and has no state of them.
pub(super) fn interest(edge: &str, rooms: &[&str], sync: bool) -> Interest {
    let rooms = rooms.iter().map(|room| RoomInterest {
        room: (*room).to_owned(),
        players: Some(Known::default()),
        spectators: Some(Known::default()),
        viewers: 1,
        sync,
        ..RoomInterest::default()
    });
    Interest {
        edge: edge.to_owned(),
        digest: false,
        rooms: rooms.collect(),
    }
}

/// Describes an item in one line.
pub(super) fn summary(item: &ItemKind) -> String {
    let text = |data: &Option<Data>| {
        let data = data.as_ref().map(|d| d.bytes().to_vec());
        String::from_utf8(data.unwrap_or_default()).unwrap()
    };
    match item {
        ItemKind::Snapshot(s) => format!("snapshot {} v{} {}", s.lane, s.version, text(&s.data)),
        ItemKind::Update(u) => {
            let data = text(&u.data);
            format!(
                "update {}/{} {}",
                u.players,
                u.spectators,
                data.trim_matches('"')
            )
        }
        ItemKind::Direct(d) => format!("direct {} {}", d.session, text(&d.data).trim_matches('"')),
        ItemKind::Rejected(r) => format!("rejected {} {} {}", r.session, r.seq, r.code),
        ItemKind::Processed(p) => {
            let mut line = format!("processed {} n{} seq{}", p.session, p.n, p.last_seq);
            if let Some(round) = p.gap {
                line += &format!(" gap{round}");
            }
            line += if p.lost { " lost" } else { "" };
            line += if p.ended { " ended" } else { "" };
            line
        }
        ItemKind::Synced(_) => "synced".to_owned(),
        ItemKind::Refused(r) => format!("refused {} {}", r.session, r.code),
        ItemKind::Gone(g) => format!("gone {} {}", g.session, g.code),
        ItemKind::LiveOut(l) => format!("live {}", text(&l.data)),
        ItemKind::Presence(p) => format!("presence {} {}", p.count, p.viewers),
        ItemKind::Absent(_) => "absent".to_owned(),
        ItemKind::Hot(h) => format!("hot {:?} from {}", h.way(), h.next),
        ItemKind::Closed(c) => format!("closed {}", c.code),
    }
}
