//! The faults that degrade the edge. Each is reported once when it begins and once when it ends (D31).

use std::time::{Duration, Instant};

/// The time for which partitions must lack an owner before it is said: a takeover takes less.
const OWNERS_GRACE: Duration = Duration::from_secs(1);

/// A reason why the edge is degraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DegradedReason {
    /// The connection to NATS is lost.
    Nats,
    /// Partitions have no owner.
    Owners,
    /// The log refuses entries.
    Log,
    /// Memory is short.
    Memory,
}

impl DegradedReason {
    /// All reasons, each at its index.
    pub(super) const ALL: [Self; 4] = [Self::Nats, Self::Owners, Self::Log, Self::Memory];

    /// The reason's name in the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Owners => "owners",
            Self::Log => "log",
            Self::Memory => "memory",
        }
    }
}

/// The state of the edge's dependencies.
#[derive(Debug, Clone, Default)]
pub(super) struct DependencyState {
    pub(super) nats_up: bool,
    pub(super) partitions: usize,
    pub(super) without_owner: usize,
    /// The server's words, if the log refuses entries.
    pub(super) refused: Option<String>,
    /// The clients that are shed for lack of memory.
    pub(super) shed: Option<&'static str>,
}

/// A fault that has begun or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DegradedChange {
    /// A fault has begun; the text says what it means.
    Begun(DegradedReason, String),
    /// A fault has ended after this time.
    Ended(DegradedReason, Duration),
}

/// The current faults.
#[derive(Debug, Default)]
pub(super) struct Degraded {
    since: [Option<Instant>; DegradedReason::ALL.len()],
    missing_since: Option<Instant>,
    unready: Option<String>,
}

impl Degraded {
    /// Compares what is seen with what was said before. Returns what has begun and ended.
    pub(super) fn update(&mut self, seen: &DependencyState, now: Instant) -> Vec<DegradedChange> {
        let DependencyState {
            nats_up,
            partitions,
            without_owner,
            ref refused,
            shed,
        } = *seen;
        self.missing_since = match without_owner {
            0 => None,
            _ => self.missing_since.or(Some(now)),
        };
        let missing = self
            .missing_since
            .is_some_and(|at| now >= at + OWNERS_GRACE);
        let nats = (!nats_up).then(|| "NATS is away: inputs and joins wait".to_owned());
        let owners = missing.then(|| {
            format!(
                "{without_owner} of {partitions} partitions have no owner: their rooms answer nothing until a worker takes \
                 them"
            )
        });
        let log = refused.as_ref();
        let log = log.map(|words| format!("the log refuses entries: {words}"));
        let memory = shed.map(|words| format!("memory is short: {words}"));
        let unready = nats.clone().or(log.clone()).or(memory.clone());
        self.unready = if without_owner == partitions {
            unready.or(owners.clone())
        } else {
            unready
        };
        let mut changes = Vec::new();
        for (why, fault) in DegradedReason::ALL
            .into_iter()
            .zip([nats, owners, log, memory])
        {
            // While NATS is away, nothing is known about owners and the log.
            if matches!(why, DegradedReason::Owners | DegradedReason::Log) && !nats_up {
                continue;
            }
            let since = &mut self.since[why as usize];
            match (*since, fault) {
                (None, Some(text)) => {
                    *since = Some(now);
                    changes.push(DegradedChange::Begun(why, text));
                }
                (Some(begun), None) => {
                    *since = None;
                    changes.push(DegradedChange::Ended(
                        why,
                        now.saturating_duration_since(begun),
                    ));
                }
                _ => {}
            }
        }
        changes
    }

    /// The reason why the edge is not ready; `None` if it is.
    pub(super) fn unready(&self) -> Option<&str> {
        self.unready.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(without_owner: usize) -> DependencyState {
        DependencyState {
            nats_up: true,
            partitions: 8,
            without_owner,
            refused: None,
            shed: None,
        }
    }

    #[test]
    fn an_edge_that_is_short_of_memory_is_degraded_and_not_ready() {
        let (mut degraded, now) = (Degraded::default(), tokio::time::Instant::now().into_std());
        let short = DependencyState {
            shed: Some("new connections are refused"),
            ..seen(0)
        };
        assert_eq!(names(&degraded.update(&short, now)), ["memory begun"]);
        assert!(degraded.unready().unwrap().contains("memory is short"));
        assert_eq!(names(&degraded.update(&seen(0), now)), ["memory ended"]);
        assert_eq!(degraded.unready(), None);
    }

    fn names(changes: &[DegradedChange]) -> Vec<String> {
        let name = |change: &DegradedChange| match change {
            DegradedChange::Begun(why, _) => format!("{} begun", why.name()),
            DegradedChange::Ended(why, _) => format!("{} ended", why.name()),
        };
        changes.iter().map(name).collect()
    }

    #[test]
    fn d31_a_fault_is_said_once_when_it_begins_and_once_when_it_ends() {
        let (mut degraded, start) = (Degraded::default(), tokio::time::Instant::now().into_std());
        let at = |ms| start + Duration::from_millis(ms);
        let away = DependencyState {
            nats_up: false,
            ..seen(0)
        };
        assert_eq!(names(&degraded.update(&away, at(0))), ["nats begun"]);
        assert_eq!(degraded.update(&away, at(250)), []);
        assert!(degraded.unready().unwrap().contains("NATS is away"));
        let ended = DegradedChange::Ended(DegradedReason::Nats, Duration::from_millis(500));
        assert_eq!(degraded.update(&seen(0), at(500)), [ended]);
        assert_eq!(degraded.unready(), None);
    }

    #[test]
    fn d31_an_edge_is_unready_only_if_no_partition_has_an_owner() {
        let (mut degraded, start) = (Degraded::default(), tokio::time::Instant::now().into_std());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(
            degraded.update(&seen(8), at(0)),
            [],
            "a takeover is no fault"
        );
        assert_eq!(degraded.unready(), None);
        assert_eq!(
            names(&degraded.update(&seen(8), at(1_000))),
            ["owners begun"]
        );
        assert!(degraded.unready().unwrap().starts_with("8 of 8"));
        assert_eq!(degraded.update(&seen(3), at(1_200)), []);
        assert_eq!(degraded.unready(), None);
        assert_eq!(
            names(&degraded.update(&seen(0), at(1_500))),
            ["owners ended"]
        );
    }

    #[test]
    fn d31_a_full_log_makes_the_edge_unready_in_the_words_of_the_server() {
        let (mut degraded, now) = (Degraded::default(), tokio::time::Instant::now().into_std());
        let full = DependencyState {
            refused: Some("maximum bytes exceeded (10077)".into()),
            ..seen(0)
        };
        assert_eq!(names(&degraded.update(&full, now)), ["log begun"]);
        assert!(
            degraded
                .unready()
                .unwrap()
                .contains("maximum bytes exceeded")
        );
        // Nothing is known about the log while NATS is away.
        let away = DependencyState {
            nats_up: false,
            ..seen(0)
        };
        assert_eq!(names(&degraded.update(&away, now)), ["nats begun"]);
        assert_eq!(
            names(&degraded.update(&seen(0), now)),
            ["nats ended", "log ended"]
        );
    }
}
