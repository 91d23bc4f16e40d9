//! Work for all clients or all rooms of a shard, which is done in slices (D25).

use super::*;

impl Bench {
    /// The codes of the notices and errors that each of these clients has got.
    fn take_codes(&mut self, conns: &[ConnKey]) -> Vec<Vec<String>> {
        let code = |message: serde_json::Value| message["code"].as_str().unwrap().to_owned();
        let of = |&conn: &ConnKey| self.take_messages(conn).into_iter().map(code).collect();
        conns.iter().map(of).collect()
    }

    /// Loses the connection to the bus for long enough that clients are told.
    fn lose_bus(&mut self) {
        self.core.handle_bus(false, self.now);
        self.now.at += Duration::from_secs(1);
        self.core.handle_timeout(self.now, &mut self.clients);
    }

    fn flush_once(&mut self) -> bool {
        self.core.flush(4, &mut self.clients)
    }
}

#[test]
fn d25_a_notice_for_all_clients_is_sent_in_slices() {
    let mut bench = Bench::new();
    let conns: Vec<_> = (1..=100).map(|i| bench.open(i, &format!("p{i}"))).collect();
    let before = bench.clients.writes;
    bench.lose_bus();
    assert_eq!(bench.clients.writes, before);
    let mut slices = 0;
    while bench.core.needs_flush() {
        let before = bench.clients.writes;
        bench.flush_once();
        assert!(bench.clients.writes - before <= 4);
        slices += 1;
        if slices == 10 {
            // A client that comes meanwhile is told once, whatever its slot.
            let late = [0, 200].map(|index| bench.open_with_notice(index));
            assert_eq!(bench.take_codes(&late), [["degraded"], ["degraded"]]);
            bench.core.handle_closed(conns[50], bench.now);
        }
    }
    assert!(slices >= 25);
    let late = [0, 200].map(|index| ConnKey {
        index,
        generation: 0,
    });
    assert_eq!(bench.take_codes(&late), [[] as [&str; 0]; 2]);
    for (index, codes) in bench.take_codes(&conns).into_iter().enumerate() {
        let all: &[&str] = if index == 50 { &[] } else { &["degraded"] };
        assert_eq!(codes, all);
    }
}

#[test]
fn d25_a_later_notice_for_all_clients_reaches_each_once() {
    let mut bench = Bench::new();
    let conns: Vec<_> = (1..=40).map(|i| bench.open(i, &format!("p{i}"))).collect();
    bench.lose_bus();
    (0..5).for_each(|_| assert!(bench.flush_once()));
    bench.core.handle_bus(true, bench.now);
    while bench.flush_once() {}
    for (index, codes) in bench.take_codes(&conns).into_iter().enumerate() {
        let all: &[&str] = if index < 20 {
            &["degraded", "recovered"]
        } else {
            &["recovered"]
        };
        assert_eq!(codes, all);
    }
    // All of them are told to reconnect, whatever happens meanwhile.
    bench.core.drain(Duration::from_secs(10), bench.now);
    assert!(bench.flush_once());
    bench.lose_bus();
    while bench.flush_once() {}
    let mut times = HashSet::new();
    for conn in conns {
        let got = bench.take_messages(conn);
        assert_eq!((got.len(), &got[0]["code"]), (1, &"draining".into()));
        times.insert(got[0]["reconnect_in_ms"].as_u64().unwrap());
    }
    assert!(times.len() > 20 && times.iter().all(|ms| *ms <= 10_000));
}

#[test]
fn a_client_that_connects_during_the_drain_is_told_to_reconnect_before_its_end() {
    let mut bench = Bench::new();
    bench.core.drain(Duration::from_secs(10), bench.now);
    while bench.flush_once() {}
    for (index, passed_ms, left_ms) in [(1, 0, 10_000), (2, 9_000, 1_000), (3, 1_000, 0)] {
        bench.advance(passed_ms);
        let conn = bench.open_with_notice(index);
        let got = bench.take_messages(conn);
        assert_eq!((got.len(), &got[0]["code"]), (1, &"draining".into()));
        let wait = got[0]["reconnect_in_ms"].as_u64().unwrap();
        assert!(wait <= left_ms, "{wait}");
    }
}

#[test]
fn d25_a_notice_for_all_clients_is_sent_beside_a_lane_that_is_never_clean() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    for index in 2..10 {
        let conn = bench.open(index, &format!("s{index}"));
        bench.join(conn, "spectator");
    }
    bench.receive(vec![snapshot(1, 0)]);
    bench.take_messages(conn);
    bench.lose_bus();
    for version in 1..100 {
        bench.receive_slowly(vec![update(0, version)]);
    }
    assert_eq!(bench.take_codes(&[conn]), [["degraded"]]);
}

#[test]
fn d25_tokens_that_expire_at_once_are_handled_in_slices() {
    let verifier = verifier();
    let mut bench = Bench::with(CoreConfig::default(), Some(verifier.clone()));
    let claims = Claims::new("alice".parse().unwrap(), bench.now.unix_ms / 1000 + 3_600);
    let token = signed(&claims);
    for index in 1..=100 {
        let conn = ConnKey {
            index,
            generation: 0,
        };
        let grants = verifier.verify(&token, bench.now.unix_ms).unwrap();
        let (core, clients) = (&mut bench.core, &mut bench.clients);
        core.handle_open(conn, Encoding::Json.into(), grants, bench.now, clients);
    }
    bench.now.at += Duration::from_secs(3_700);
    bench.now.unix_ms += 3_700_000;
    let mut slices = 0;
    while bench
        .core
        .poll_timeout()
        .is_some_and(|at| at <= bench.now.at)
    {
        let before = bench.clients.closed.len();
        bench.core.handle_timeout(bench.now, &mut bench.clients);
        assert!(bench.clients.closed.len() - before <= 16);
        slices += 1;
    }
    assert!(slices > 6);
    assert_eq!(bench.clients.closed.len(), 100);
}

#[test]
fn d25_windows_are_appended_again_as_the_bus_takes_them() {
    let mut bench = Bench::new();
    let mut sessions = BTreeSet::new();
    for index in 0..50 {
        let conn = bench.open(index, &format!("p{index}"));
        let join =
            serde_json::json!({"type": "join", "room": format!("relay-{index}"), "role": "player"});
        bench.send(conn, join);
        sessions.extend(bench.entries().iter().map(|entry| entry.session));
    }
    assert_eq!(sessions.len(), 50);
    bench.core.handle_bus(false, bench.now);
    bench.core.handle_bus(true, bench.now);
    assert!(bench.core.effects.waiting_commands() < 50);
    assert!(bench.core.has_commands());
    let mut repeated = BTreeSet::new();
    while let Some(command) = bench.core.poll_command() {
        assert!(bench.core.effects.waiting_commands() < 50);
        if let Command::Append { payload, .. } = command {
            let entry = Entry::decode(payload).unwrap();
            assert_eq!(entry.round, 1);
            assert!(repeated.insert(entry.session));
        }
    }
    assert_eq!(repeated, sessions);
    assert!(!bench.core.has_commands());
}
