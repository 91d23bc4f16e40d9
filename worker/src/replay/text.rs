//! A report, for people.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use super::replicas::{Diverged, Divergence, Stopped, Twin};
use super::report::{Comparison, Report};
use super::time::{clock, readable, span};

/// How many players are listed.
const PLAYERS: usize = 20;
/// How many other rooms of the name are listed.
const OTHERS: usize = 8;
/// Where the second column begins.
const BEGIN: usize = 13;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (room, game, partition) = (&self.room, self.room.game(), self.partition);
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
        let life = &self.life;
        let begun = readable(life.begun_ms);
        match self.comparison {
            Comparison::BegunThere { seq } => line(
                f,
                "begun",
                format!("with the stored snapshot of entry {seq}"),
            )?,
            _ => line(f, "created", format!("{begun}  by entry {}", life.created))?,
        }
        if let Some((seq, at_ms)) = self.tally.last {
            let after = span(at_ms.saturating_sub(life.begun_ms));
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
        for (what, of) in [("rejected", &tally.rejects), ("not let in", &tally.refused)] {
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
            Some(_) => "before it was deleted: ",
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
                format!("it was largest after entry {at}: {}", bytes(largest)),
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

    fn write_stored(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some((epoch, time_ms, seq)) = self.snapshot {
            let when = readable(time_ms);
            line(
                f,
                "snapshot",
                format!("{when}  of entry {seq}, by the owner of epoch {}", epoch.0),
            )?;
        }
        let Some(record) = &self.quarantine else {
            return Ok(());
        };
        let (code, build, seq) = (&record.code, &record.build, record.seq);
        line(
            f,
            "quarantine",
            format!("{code}, by build {build}: what is behind its snapshot begins at entry {seq}"),
        )?;
        line(
            f,
            "",
            format!("clients are told {code}; a worker of another build tries it once more"),
        )
    }

    fn write_comparison(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.comparison {
            Comparison::Equal {
                seq,
                hash,
                rewritten,
            } => {
                line(
                    f,
                    "EQUAL",
                    format!("after entry {seq} the replay has the stored state: hash {hash}"),
                )?;
                match rewritten {
                    true => line(
                        f,
                        "",
                        "(the snapshot is of a build that writes the same state otherwise)",
                    ),
                    false => Ok(()),
                }
            }
            Comparison::BothDeleted { seq: Some(seq) } => line(
                f,
                "EQUAL",
                format!("what is stored, too, says that entry {seq} deleted it"),
            ),
            Comparison::BothDeleted { seq: None } => line(
                f,
                "EQUAL",
                "nothing is stored of it any more, as is right for a deleted room",
            ),
            Comparison::Differs { .. } => self.write_difference(f),
            Comparison::Fate {
                stored_deleted: true,
                stored_at,
                ..
            } => {
                let by = stored_at.map_or_else(String::new, |seq| format!(" by entry {seq}"));
                line(
                    f,
                    "DIFFERS",
                    format!(
                        "what is stored says that it was deleted{by}; {}",
                        self.fate()
                    ),
                )
            }
            Comparison::Fate { stored_at, .. } => {
                let seq = stored_at.unwrap_or_default();
                line(
                    f,
                    "DIFFERS",
                    format!(
                        "the stored snapshot of entry {seq} has a room; {}",
                        self.fate()
                    ),
                )
            }
            Comparison::Unreadable { error } => line(
                f,
                "DIFFERS",
                format!("what is stored cannot be read: it {error}"),
            ),
            other => line(f, "replayed", uncompared(other)),
        }
    }

    fn fate(&self) -> String {
        match self.deleted {
            Some(seq) => format!("in the replay entry {seq} deletes it"),
            None => "in the replay it lives".to_owned(),
        }
    }

    fn write_difference(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Comparison::Differs {
            seq,
            stored,
            replayed,
            damaged,
            cut,
            differences,
        } = &self.comparison
        else {
            return Ok(());
        };
        line(
            f,
            "DIFFERS",
            format!(
                "after entry {seq} the stored state's hash is {stored}, the replayed one's {replayed}"
            ),
        )?;
        if let Some(says) = damaged {
            line(
                f,
                "",
                format!("the snapshot is damaged: it says that its state's hash is {says}"),
            )?;
        }
        if let Some(cut) = cut {
            line(
                f,
                "",
                format!(
                    "the log lost what the room had applied from entry {cut} on, so they cannot be equal"
                ),
            )?;
        }
        if !differences.list.is_empty() {
            differences.write(f, ("stored", "replayed"))?;
        }
        if damaged.is_none() && cut.is_none() && self.divergences.is_empty() {
            line(
                f,
                "",
                "the same entries always give the replayed state here: the room was run by a build with other rules,",
            )?;
            line(
                f,
                "",
                "or by something that is neither in its log nor in its seed (a clock, an address, a file)",
            )?;
        }
        Ok(())
    }

    fn write_replays(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for divergence in &self.divergences {
            write_divergence(f, divergence)?;
        }
        if let Some((seq, stopped)) = &self.stopped {
            let what = match stopped {
                Stopped::Panicked => {
                    "the game panics at it, also when it is tried once more; the replay ends there"
                        .to_owned()
                }
                Stopped::NotStored(error) => {
                    format!("the state after it cannot be stored ({error}); the replay ends there")
                }
            };
            return line(f, "STOPPED", format!("at entry {seq}: {what}"));
        }
        if self.divergences.is_empty() {
            line(
                f,
                "",
                "three replays agree after every entry, one of them stored and loaded each time",
            )?;
        }
        Ok(())
    }
}

fn write_divergence(f: &mut Formatter<'_>, divergence: &Divergence) -> fmt::Result {
    let Divergence { seq, twin, what } = divergence;
    let (label, of) = match twin {
        Twin::Again => ("NOT THE SAME", "two replays of the same entries"),
        Twin::Reloaded => (
            "NOT STORED",
            "a replay and one that is stored and loaded after every entry",
        ),
    };
    let differ = match what {
        Diverged::State(_) => "part",
        Diverged::Emitted => "have the same state, but send clients something else",
        Diverged::Panicked => "part: only one of them panics",
        Diverged::Existence => "part: only one of them has a room",
        Diverged::NotStored(_) => "part: the state cannot be stored and loaded",
    };
    line(f, label, format!("first at entry {seq}: {of} {differ}"))?;
    match what {
        Diverged::State(differences) => differences.write(f, ("one", "other"))?,
        Diverged::NotStored(error) => line(f, "", error)?,
        _ => {}
    }
    let hint = match twin {
        Twin::Again => {
            "the game is not deterministic: chance must come from effects.rng() and time from the event, and the order of a \
             HashMap or HashSet must not count"
        }
        Twin::Reloaded => {
            "not all of the game's state is kept: look for fields that are skipped or written otherwise than they are read"
        }
    };
    line(f, "", hint)
}

fn uncompared(comparison: &Comparison) -> String {
    match comparison {
        Comparison::NotStored => "nothing is stored of it yet to compare with".to_owned(),
        Comparison::NotReached { seq } => format!("not compared: what is stored is of entry {seq}"),
        Comparison::OtherInstance => {
            "not compared: what is stored is of another room of this name".to_owned()
        }
        Comparison::Older => "not compared: there was a later room of this name".to_owned(),
        Comparison::BegunThere { seq } => format!("from the stored snapshot of entry {seq}"),
        _ => String::new(),
    }
}

fn line(f: &mut Formatter<'_>, label: &str, text: impl Display) -> fmt::Result {
    writeln!(f, "{label:BEGIN$}{text}")
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
