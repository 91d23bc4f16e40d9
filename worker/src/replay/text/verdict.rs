//! The part of a report about the stored snapshot, the quarantine record, the comparison and the divergences.

use std::fmt::{self, Formatter};

use super::line::line;
use crate::replay::comparison::Comparison;
use crate::replay::replicas::{Diverged, Divergence, Stopped, Twin};
use crate::replay::report::Report;
use crate::replay::time::readable;

impl Report {
    pub(super) fn write_stored(&self, f: &mut Formatter<'_>) -> fmt::Result {
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
        let code = &record.code;
        let build = &record.build;
        let seq = record.seq;
        line(
            f,
            "quarantine",
            format!("{code}, by build {build}: the entries after its snapshot begin at {seq}"),
        )?;
        line(
            f,
            "",
            format!("clients get {code}; a worker of another build tries the room once more"),
        )
    }

    pub(super) fn write_comparison(&self, f: &mut Formatter<'_>) -> fmt::Result {
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
                if *rewritten {
                    line(
                        f,
                        "",
                        "(another build wrote the snapshot and serializes the same state differently)",
                    )
                } else {
                    Ok(())
                }
            }
            Comparison::BothDeleted { seq: Some(seq) } => line(
                f,
                "EQUAL",
                format!("the stored record also says that entry {seq} deleted the room"),
            ),
            Comparison::BothDeleted { seq: None } => line(
                f,
                "EQUAL",
                "nothing is stored of the room, which is correct after its deletion",
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
                        "the stored record says that the room was deleted{by}; {}",
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
                        "the stored snapshot of entry {seq} has the room; {}",
                        self.fate()
                    ),
                )
            }
            Comparison::Unreadable { error } => line(
                f,
                "DIFFERS",
                format!("the stored record cannot be read: it {error}"),
            ),
            other => line(f, "replayed", uncompared(other)),
        }
    }

    fn fate(&self) -> String {
        match self.deleted {
            Some(seq) => format!("in the replay entry {seq} deletes the room"),
            None => "in the replay the room exists".to_owned(),
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
                "after entry {seq} the stored state has the hash {stored}, the replayed state {replayed}"
            ),
        )?;
        if let Some(says) = damaged {
            line(
                f,
                "",
                format!("the snapshot is damaged: its state was stored with the hash {says}"),
            )?;
        }
        if let Some(cut) = cut {
            line(
                f,
                "",
                format!(
                    "the log lost entries from {cut} on that the room had applied, so the states cannot be equal"
                ),
            )?;
        }
        if !differences.list.is_empty() {
            differences.write(f, "stored", "replayed")?;
        }
        if damaged.is_none() && cut.is_none() && self.divergences.is_empty() {
            line(
                f,
                "",
                "all replays agree, so the room was run by a build with other rules,",
            )?;
            line(
                f,
                "",
                "or its game used something that is neither in the log nor in the seed (a clock, an address, a file)",
            )?;
        }
        Ok(())
    }

    pub(super) fn write_replays(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for divergence in &self.divergences {
            write_divergence(f, divergence)?;
        }
        if let Some((seq, stopped)) = &self.stopped {
            let what = match stopped {
                Stopped::Panicked => {
                    "the game panics, also on a second attempt; the replay ends here".to_owned()
                }
                Stopped::NotStored(error) => {
                    format!("the state after it cannot be stored ({error}); the replay ends here")
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
        Diverged::State(_) => "differ",
        Diverged::Emitted => "have the same state, but send clients different messages",
        Diverged::Panicked => "differ: only one of them panics",
        Diverged::Existence => "differ: only one of them has a room",
        Diverged::NotStored(_) => "differ: the state cannot be stored and loaded",
    };
    line(f, label, format!("first at entry {seq}: {of} {differ}"))?;
    match what {
        Diverged::State(differences) => differences.write(f, "one", "other")?,
        Diverged::NotStored(error) => line(f, "", error)?,
        _ => {}
    }
    let hint = match twin {
        Twin::Again => {
            "the game is not deterministic: take random numbers from effects.rng() and the time from the event, and do not \
             depend on the order of a HashMap or HashSet"
        }
        Twin::Reloaded => {
            "storing loses part of the game's state: look for fields that are skipped, or serialized differently than they are read"
        }
    };
    line(f, "", hint)
}

fn uncompared(comparison: &Comparison) -> String {
    match comparison {
        Comparison::NotStored => "not compared: nothing of the room is stored yet".to_owned(),
        Comparison::NotReached { seq } => {
            format!("not compared: the stored record is of entry {seq}")
        }
        Comparison::OtherInstance => {
            "not compared: the stored snapshot is of another room of this name".to_owned()
        }
        Comparison::Older => "not compared: there was a later room of this name".to_owned(),
        Comparison::BegunThere { seq } => format!("from the stored snapshot of entry {seq}"),
        _ => String::new(),
    }
}
