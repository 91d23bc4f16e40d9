use std::collections::BTreeMap;
use std::sync::Arc;

use grandstand_common::data::Data;
use grandstand_common::id::{Epoch, Instance};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const CAP: usize = 1 << 20;

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn data(text: &str) -> Data {
    Data::Json(bytes::Bytes::copy_from_slice(text.as_bytes()))
}

fn snapshot(version: u64) -> LaneEvent {
    LaneEvent::Snapshot {
        version,
        view: LaneView {
            data: data("0"),
            is_patched: false,
        },
        whole: true,
    }
}

fn update(version: u64, key: &str) -> LaneEvent {
    LaneEvent::Update {
        version,
        key: key.to_owned(),
        data: data("0"),
        arrived_us: 0,
    }
}

/// The events that are due at `now`, in short.
fn shown(buffer: &mut DelayBuffer, now: Instant) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(event) = buffer.poll(now) {
        all.push(match event {
            LaneEvent::Begin(epoch, _) => format!("begin {}", epoch.0),
            LaneEvent::Snapshot { version, whole, .. } if whole => format!("snapshot {version}"),
            LaneEvent::Snapshot { version, .. } => format!("base {version}"),
            LaneEvent::Update { version, .. } => format!("{version}"),
            LaneEvent::Live(data) => format!("live {}", data.len()),
            LaneEvent::Frame(data) => format!("frame {}", data.len()),
            LaneEvent::Presence(presence) => format!("presence {}", presence.viewers),
            LaneEvent::End(code) => code,
        });
    }
    all
}

#[test]
fn a_lane_with_a_maximum_rate_gets_the_latest_update_of_each_key() {
    let (mut buffer, now) = (
        DelayBuffer::new(DeliveryPolicy::new(10, 0), None, CAP),
        start(),
    );
    buffer.push(now, snapshot(1));
    assert_eq!(
        shown(&mut buffer, now),
        ["snapshot 1"],
        "the first event is due at once"
    );
    for (version, key) in [(2, "a"), (3, ""), (4, "b"), (5, "a"), (6, "a")] {
        assert_eq!(
            buffer.push(now + ms(version), update(version, key)),
            UpdateOutcome::New
        );
    }
    assert_eq!(shown(&mut buffer, now + ms(99)), [""; 0]);
    assert_eq!(buffer.next(), Some(now + ms(100)));
    assert_eq!(shown(&mut buffer, now + ms(100)), ["3", "4", "6"]);
    assert_eq!(buffer.bytes(), 0);
    buffer.push(now + ms(350), update(7, "a"));
    assert_eq!(
        shown(&mut buffer, now + ms(350)),
        ["7"],
        "the interval is over"
    );
}

#[test]
fn d22_a_delayed_lane_delays_every_event_and_drops_none() {
    let (mut buffer, now) = (
        DelayBuffer::new(DeliveryPolicy::new(0, 1000), None, CAP),
        start(),
    );
    buffer.push(now, LaneEvent::Begin(Epoch(7), Instance(1)));
    buffer.push(now, snapshot(1));
    buffer.push(now + ms(10), update(2, "a"));
    buffer.push(now + ms(10), update(3, "a"));
    buffer.push(now + ms(20), LaneEvent::Presence(Arc::default()));
    buffer.push(now + ms(20), LaneEvent::Live(data("{}")));
    buffer.push(now + ms(30), LaneEvent::End("finished".into()));
    assert_eq!(buffer.head(), Some(3), "the version that arrived");
    assert_eq!(shown(&mut buffer, now + ms(999)), [""; 0]);
    assert_eq!(
        shown(&mut buffer, now + ms(1000)),
        ["begin 7", "snapshot 1"]
    );
    assert_eq!(shown(&mut buffer, now + ms(1010)), ["2", "3"]);
    assert_eq!(shown(&mut buffer, now + ms(1029)), ["presence 0", "live 2"]);
    assert_eq!(shown(&mut buffer, now + ms(1030)), ["finished"]);
    // A shorter delay does not change the order of events.
    buffer.push(now + ms(1040), update(4, ""));
    buffer.set_policy(DeliveryPolicy::default());
    buffer.push(now + ms(1050), update(5, ""));
    assert_eq!(shown(&mut buffer, now + ms(2039)), [""; 0]);
    assert_eq!(shown(&mut buffer, now + ms(2040)), ["4", "5"]);
    assert!(buffer.is_done());
}

#[test]
fn a_release_has_the_snapshot_if_it_is_smaller_than_the_updates() {
    let (mut buffer, now) = (
        DelayBuffer::new(DeliveryPolicy::new(1, 0), None, CAP),
        start(),
    );
    buffer.push(now, snapshot(1));
    shown(&mut buffer, now);
    buffer.push(now + ms(1), update(2, ""));
    buffer.push(now + ms(2), snapshot(2));
    assert_eq!(shown(&mut buffer, now + ms(1000)), ["2", "base 2"]);
    for version in 3..20 {
        buffer.push(now + ms(1100), update(version, ""));
    }
    buffer.push(now + ms(1101), snapshot(19));
    buffer.push(now + ms(1102), update(20, ""));
    assert_eq!(shown(&mut buffer, now + ms(2000)), ["snapshot 19", "20"]);
    // A snapshot after a gap is needed, whatever its size.
    buffer.push(now + ms(2100), update(21, ""));
    assert_eq!(
        buffer.push(now + ms(2100), update(23, "")),
        UpdateOutcome::Gap
    );
    buffer.push(now + ms(2200), snapshot(25));
    assert_eq!(
        buffer.push(now + ms(2200), update(25, "")),
        UpdateOutcome::Old
    );
    assert_eq!(shown(&mut buffer, now + ms(3000)), ["snapshot 25"]);
}

#[test]
fn a_new_epoch_drops_the_waiting_events_but_not_the_end() {
    let (mut buffer, now) = (
        DelayBuffer::new(DeliveryPolicy::new(1, 0), None, CAP),
        start(),
    );
    buffer.push(now, snapshot(1));
    shown(&mut buffer, now);
    buffer.push(now + ms(1), update(2, "a"));
    buffer.push(now + ms(2), LaneEvent::Begin(Epoch(8), Instance(1)));
    assert_eq!(buffer.push(now + ms(3), update(3, "")), UpdateOutcome::Old);
    buffer.push(now + ms(4), snapshot(2));
    assert_eq!(
        shown(&mut buffer, now + ms(1000)),
        ["begin 8", "snapshot 2"]
    );
    buffer.push(now + ms(1100), update(3, ""));
    buffer.push(now + ms(1200), LaneEvent::End("finished".into()));
    buffer.push(now + ms(1300), LaneEvent::Begin(Epoch(8), Instance(0)));
    assert_eq!(
        shown(&mut buffer, now + ms(2000)),
        ["3", "finished", "begin 8"]
    );
}

#[test]
fn a_full_buffer_drops_events_until_half_of_it_is_free() {
    let cap = 100_000;
    let (mut buffer, now) = (
        DelayBuffer::new(DeliveryPolicy::new(0, 10_000), None, cap),
        start(),
    );
    buffer.push(now, snapshot(0));
    let mut taken = 0;
    for i in 1..10_000 {
        buffer.push(now + ms(i), LaneEvent::Live(data("live")));
        if buffer.push(now + ms(i), update(i, "")) == UpdateOutcome::New {
            taken = i;
        }
        assert!(buffer.bytes() <= cap, "{}", buffer.bytes());
        assert!(!buffer.take_recovered());
    }
    assert!(taken > 50, "{taken}");
    assert_eq!(buffer.head(), None, "a snapshot is needed");
    assert_eq!(
        buffer.push(now + ms(9_999), snapshot(9_999)),
        UpdateOutcome::Old
    );
    let until = now + ms(10_000 + taken * 3 / 4);
    assert!(shown(&mut buffer, until).iter().any(|e| e == "30"));
    assert!(buffer.take_recovered());
    buffer.push(until, snapshot(10_000));
    let rest = shown(&mut buffer, until + ms(10_000));
    assert_eq!(rest.last().map(String::as_str), Some("snapshot 10000"));
}

#[test]
fn live_messages_of_one_release_are_bounded() {
    let (mut buffer, now) = (
        DelayBuffer::new(DeliveryPolicy::new(1, 0), None, 1 << 24),
        start(),
    );
    buffer.push(now, snapshot(0));
    shown(&mut buffer, now);
    for i in 0..5_000 {
        buffer.push(
            now + ms(1),
            LaneEvent::Live(data(&"x".repeat(100 + i % 100))),
        );
    }
    assert!(buffer.bytes() < LIVE_BYTES + 2_000, "{}", buffer.bytes());
    let all = shown(&mut buffer, now + ms(1000));
    assert_eq!(
        all.last().map(String::as_str),
        Some("live 199"),
        "the latest live message is kept"
    );
    assert_eq!(buffer.bytes(), 0);
}

/// A client's state: the latest version of each key, and all versions without a key.
#[derive(Debug, Default, Clone, PartialEq)]
struct View {
    keyed: BTreeMap<String, u64>,
    list: Vec<u64>,
}

impl View {
    fn apply(&mut self, version: u64, key: &str) {
        match key {
            "" => self.list.push(version),
            key => {
                self.keyed.insert(key.to_owned(), version);
            }
        }
    }
}

#[test]
fn conflated_updates_lead_to_the_same_state_as_all_updates() {
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let policy = DeliveryPolicy::new(rng.random_range(0..20), rng.random_range(0..2) * 500);
        let (mut buffer, start) = (DelayBuffer::new(policy, None, CAP), start());
        // The room's state by version.
        let mut truth = vec![View::default()];
        let (mut seen, mut base) = ((0, View::default()), View::default());
        buffer.push(start, snapshot(0));
        let mut at = 0;
        for _ in 0..400 {
            at += rng.random_range(0..40);
            let now = start + ms(at);
            let version = truth.len() as u64;
            if rng.random_bool(0.9) {
                let key = ["", "a", "b"][rng.random_range(0..3)];
                let mut view = truth[truth.len() - 1].clone();
                view.apply(version, key);
                truth.push(view);
                assert_eq!(buffer.push(now, update(version, key)), UpdateOutcome::New);
            } else {
                buffer.push(now, snapshot(version - 1));
            }
            let due = buffer.next().filter(|due| *due <= now);
            while let Some(event) = buffer.poll(now) {
                match event {
                    LaneEvent::Snapshot { version, whole, .. } => {
                        base = truth[version as usize].clone();
                        if whole {
                            seen = (version, base.clone());
                        }
                    }
                    LaneEvent::Update { version, key, .. } => {
                        assert!(version > seen.0, "seed {seed}");
                        seen.0 = version;
                        seen.1.apply(version, &key);
                        base.apply(version, &key);
                    }
                    other => panic!("{other:?}"),
                }
            }
            if due.is_some() {
                let there = &truth[seen.0 as usize];
                assert_eq!(
                    &seen.1, there,
                    "seed {seed}: members see the state of version {}",
                    seen.0
                );
                assert_eq!(
                    &base, there,
                    "seed {seed}: clients that join now see it too"
                );
            }
        }
        let end = start + ms(at + 2000);
        while buffer.poll(end).is_some() {}
        assert_eq!(buffer.bytes(), 0, "seed {seed}");
    }
}
