//! A report as text for people.

mod line;
mod verdict;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use super::comparison::Comparison;
use super::report::Report;
use super::time::{clock, readable, span};
use line::line;

/// The maximum number of listed players.
const PLAYERS: usize = 20;
/// The maximum number of other listed rooms of the name.
const OTHERS: usize = 8;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let room = &self.room;
        let game = self.room.game();
        let partition = self.partition;
        line(
            f,
            room.as_str(),
            format!("the game {game}, partition {partition}"),
        )?;
        writeln!(f)?;
        self.write_life(f)?;
        self.write_players(f)?;
        self.write_entries(f)?;
        self.write_state(f)?;
        self.write_stored(f)?;
        writeln!(f)?;
        self.write_comparison(f)?;
        self.write_replays(f)
    }
}

impl Report {
    fn write_life(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let replayed = &self.span;
        let begun = readable(replayed.begun_ms);
        match self.comparison {
            Comparison::BegunThere { seq } => line(
                f,
                "begun",
                format!("with the stored snapshot of entry {seq}"),
            )?,
            _ => line(
                f,
                "created",
                format!("{begun}  by entry {}", replayed.created),
            )?,
        }
        if let Some((seq, at_ms)) = self.tally.last {
            let after = span(at_ms.saturating_sub(replayed.begun_ms));
            let until = if self.until.is_some() {
                ", as asked"
            } else {
                ""
            };
            line(
                f,
                "last entry",
                format!("{}  {seq}, {after} later{until}", readable(at_ms)),
            )?;
        }
        if let Some(seq) = self.tally.finished {
            line(f, "finished", format!("by the game, at entry {seq}"))?;
        }
        if let Some(seq) = self.deleted {
            line(f, "deleted", format!("by entry {seq}"))?;
        }
        let others = &self.others;
        if others.is_empty() {
            return Ok(());
        }
        let listed = others.iter().rev().take(OTHERS).rev().map(u64::to_string);
        let listed = listed.collect::<Vec<_>>().join(", ");
        let more = match others.len().saturating_sub(OTHERS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        line(
            f,
            "others",
            format!("rooms of this name were also created by {listed}{more}: --instance"),
        )
    }

    fn write_players(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let width = self
            .players
            .iter()
            .map(|p| p.id.chars().count())
            .max()
            .unwrap_or(0);
        for (at, player) in self.players.iter().take(PLAYERS).enumerate() {
            let tally = &player.tally;
            let presence = player.presence.unwrap_or("gone");
            let mut parts = vec![count(tally.inputs, "input")];
            if tally.rejects > 0 {
                parts.push(format!("{} rejected", tally.rejects));
            }
            parts.push(count(tally.joins, "join"));
            let parts = parts.join(", ");
            let label = if at == 0 { "players" } else { "" };
            line(
                f,
                label,
                format!("{:width$}  {presence:9}  {parts}", player.id),
            )?;
        }
        match self.players.len().saturating_sub(PLAYERS) {
            0 => Ok(()),
            more => line(f, "", format!("and {more} more")),
        }
    }

    fn write_entries(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        let kinds = list(&tally.kinds);
        line(f, "entries", format!("{}: {kinds}", tally.entries))?;
        if !tally.skipped.is_empty() {
            let skipped: u64 = tally.skipped.values().sum();
            line(
                f,
                "",
                format!(
                    "{skipped} of them changed nothing: {}",
                    list(&tally.skipped)
                ),
            )?;
        }
        let mut sent = vec![count(tally.updates, "update")];
        if tally.directs > 0 {
            sent.push(format!(
                "{} for one player",
                count(tally.directs, "message")
            ));
        }
        for (what, of) in [("rejected", &tally.rejects), ("refused", &tally.refused)] {
            if !of.is_empty() {
                sent.push(format!("{what}: {}", list(of)));
            }
        }
        line(f, "sent", sent.join("; "))
    }

    fn write_state(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(state) = &self.state else {
            return Ok(());
        };
        let when = match self.deleted {
            Some(_) => "before the deletion: ",
            None => "",
        };
        let [players, spectators] = state.versions;
        let size = bytes(state.bytes);
        line(
            f,
            "state",
            format!(
                "{when}hash {}, {size}, versions {players} and {spectators}",
                state.hash
            ),
        )?;
        let (largest, at) = self.tally.largest;
        if largest > state.bytes * 2 && largest > 16 * 1024 {
            line(
                f,
                "",
                format!("the state was largest after entry {at}: {}", bytes(largest)),
            )?;
        }
        if state.timers.is_empty() || self.deleted.is_some() {
            return Ok(());
        }
        let timers = state
            .timers
            .iter()
            .map(|(name, due_ms)| format!("{name} at {}", clock(*due_ms)));
        line(f, "timers", timers.collect::<Vec<_>>().join(", "))
    }
}

fn count(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

fn list<K: Display>(counts: &BTreeMap<K, u64>) -> String {
    let each = counts.iter().map(|(what, count)| format!("{count} {what}"));
    each.collect::<Vec<_>>().join(", ")
}

fn bytes(bytes: usize) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        _ => format!("{} KiB", bytes / 1024),
    }
}
