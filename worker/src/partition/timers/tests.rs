use super::super::testing::{context, pass, room};
use super::*;

const HOUR_MS: u64 = 3_600_000;

fn armed(timers: &[(&str, u64)]) -> BTreeMap<String, Armed> {
    let timers = timers.iter().zip(1..);
    let timers = timers.map(|((name, due_ms), arming)| {
        let due_ms = *due_ms;
        ((*name).to_owned(), Armed { due_ms, arming })
    });
    timers.collect()
}

/// The names of the timers that are appended at `now`.
fn fire(timers: &mut Timers, armed: &BTreeMap<String, Armed>, now: Now) -> Vec<String> {
    let mut names = Vec::new();
    for id in timers.take_due(now) {
        let due = timers.append_due(&id, armed, now);
        names.extend(due.into_iter().map(|timer| timer.name));
        timers.set(&id, Some(armed), now);
    }
    names
}

#[test]
fn d24_a_timer_is_due_by_the_clock_of_the_log() {
    let mut cx = context();
    let (mut timers, id) = (Timers::default(), room("echo-1"));
    let armed = armed(&[
        ("late", cx.now.log_ms + 30_000),
        ("soon", cx.now.log_ms + 20_000),
    ]);
    timers.set(&id, Some(&armed), cx.now);
    assert_eq!(
        timers.poll_timeout(cx.now),
        Some(cx.now.at + Duration::from_secs(20))
    );
    pass(&mut cx, Duration::from_millis(19_999));
    assert_eq!(fire(&mut timers, &armed, cx.now), [""; 0]);
    pass(&mut cx, Duration::from_millis(1));
    assert_eq!(fire(&mut timers, &armed, cx.now), ["soon"]);
    pass(&mut cx, Duration::from_millis(999));
    assert_eq!(fire(&mut timers, &armed, cx.now), [""; 0]);
    pass(&mut cx, Duration::from_millis(1));
    assert_eq!(
        fire(&mut timers, &armed, cx.now),
        ["soon"],
        "not seen in the log yet"
    );
    pass(&mut cx, Duration::from_secs(9));
    assert_eq!(fire(&mut timers, &armed, cx.now), ["late", "soon"]);
}

#[test]
fn d24_a_correction_of_the_estimate_moves_a_timer_with_it() {
    let mut cx = context();
    cx.now.log_ms = 10 * HOUR_MS;
    let (mut timers, id) = (Timers::default(), room("echo-1"));
    let armed = armed(&[("t", cx.now.log_ms + 20_000)]);
    timers.set(&id, Some(&armed), cx.now);
    // The estimate was an hour ahead: the timer is due in an hour and 20 s.
    cx.now.log_ms -= HOUR_MS;
    pass(&mut cx, Duration::from_secs(20));
    assert_eq!(fire(&mut timers, &armed, cx.now), [""; 0], "early");
    let left = Duration::from_millis(HOUR_MS);
    assert_eq!(timers.poll_timeout(cx.now), Some(cx.now.at + left));
    // It was an hour behind.
    cx.now.log_ms += HOUR_MS;
    assert_eq!(fire(&mut timers, &armed, cx.now), ["t"], "never");
    // The clock goes back after the timer was appended.
    cx.now.log_ms -= HOUR_MS;
    pass(&mut cx, Duration::from_secs(1));
    assert_eq!(fire(&mut timers, &armed, cx.now), [""; 0]);
    pass(&mut cx, Duration::from_millis(HOUR_MS));
    assert_eq!(fire(&mut timers, &armed, cx.now), ["t"]);
}

#[test]
fn a_room_without_timers_has_no_deadline() {
    let mut cx = context();
    let (mut timers, id) = (Timers::default(), room("echo-1"));
    let armed = armed(&[("t", cx.now.log_ms + 20_000)]);
    timers.set(&id, Some(&armed), cx.now);
    timers.set(&id, Some(&BTreeMap::new()), cx.now);
    assert_eq!(timers.poll_timeout(cx.now), None);
    timers.set(&id, Some(&armed), cx.now);
    pass(&mut cx, Duration::from_secs(20));
    assert_eq!(fire(&mut timers, &armed, cx.now), ["t"]);
    timers.set(&id, None, cx.now);
    assert_eq!(timers.poll_timeout(cx.now), None);
}
