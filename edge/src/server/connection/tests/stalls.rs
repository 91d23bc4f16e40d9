//! Heartbeats of many connections, and of a process that stood still.

use std::time::Instant;

use super::*;

const HEARTBEAT: Duration = Duration::from_secs(25);

/// Advances the time by a heartbeat without reading any connection, as in a process that stood still.
fn pass(rig: &Rig, now: &mut Instant) {
    *now += HEARTBEAT + Duration::from_secs(1);
    rig.conns.handle_timeouts(usize::MAX, *now);
}

#[test]
fn d25_an_answer_that_is_not_read_yet_keeps_a_connection_open() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        let (mut silent, lost) = rig.open().await;
        let mut now = tokio::time::Instant::now().into_std();
        pass(&rig, &mut now);
        assert_eq!(client.next().await, Some((0x89, vec![])));
        assert_eq!(silent.next().await, Some((0x89, vec![])));
        let pong = [0x8A, 0x80, 0, 0, 0, 0];
        assert_eq!(client.0.try_write(&pong).unwrap(), pong.len());
        pass(&rig, &mut now);
        assert_eq!(rig.conns.state(conn).0, ConnState::Open);
        let reason = CloseReason::Closed(ErrorKind::Timeout);
        assert_eq!(rig.told().await, Told::Closed(lost, reason));
        // The answer is read now, and the next silence counts again.
        pass(&rig, &mut now);
        assert_eq!(client.next().await, Some((0x89, vec![])));
        pass(&rig, &mut now);
        assert_eq!(rig.told().await, Told::Closed(conn, reason));
    });
}

#[test]
fn d25_a_slow_client_that_has_read_meanwhile_stays_connected() {
    run(Setup::default(), async |rig| {
        let (client, conn) = rig.open().await;
        let (_other, slow) = rig.open().await;
        for conn in [conn, slow] {
            let frame = frame::binary(&[7; 1000]);
            while rig.conns.clone().send(conn, &frame) != SendStatus::Full {}
        }
        let mut now = tokio::time::Instant::now().into_std();
        pass(&rig, &mut now);
        // The kernel reports the space to the poll, which nobody reads before the timer runs.
        let mut buffer = vec![0; 1 << 20];
        let mut got = 0;
        while got < 16 << 10 {
            got += client.0.try_read(&mut buffer).unwrap_or_default();
        }
        while client.0.try_read(&mut buffer).is_ok_and(|count| count > 0) {}
        pass(&rig, &mut now);
        assert_eq!(rig.conns.state(conn).0, ConnState::Open);
        let reason = CloseReason::Closed(ErrorKind::TooSlow);
        assert_eq!(
            rig.conns.state(slow).0,
            ConnState::Closing(ErrorKind::TooSlow)
        );
        while rig.told().await != Told::Closed(slow, reason) {}
    });
}

#[test]
fn d25_a_client_that_sends_and_never_reads_is_closed() {
    run(Setup::default(), async |rig| {
        let (client, conn) = rig.open().await;
        let frame = frame::binary(&[7; 1000]);
        while !rig.conns.state(conn).1 {
            rig.conns.clone().send_control(conn, &frame);
        }
        let mut now = tokio::time::Instant::now().into_std();
        for _ in 0..2 {
            // The client's pings stay unread, because it does not read the answers.
            client.0.try_write(&[0x89, 0x80, 0, 0, 0, 0]).unwrap();
            pass(&rig, &mut now);
        }
        let state = rig.conns.state(conn).0;
        assert_eq!(state, ConnState::Closing(ErrorKind::TooSlow));
    });
}

#[test]
fn d25_heartbeats_are_handled_in_slices_and_spread() {
    run(Setup::default(), async |rig| {
        let mut clients = Vec::new();
        for _ in 0..64 {
            clients.push(rig.open().await.0);
        }
        let begun = tokio::time::Instant::now().into_std();
        let due = begun + HEARTBEAT + Duration::from_secs(1);
        for _ in 0..64 / 16 {
            assert_eq!(rig.conns.handle_timeouts(16, due), Some(due));
        }
        assert!(
            rig.conns
                .handle_timeouts(16, due)
                .is_some_and(|at| at > due)
        );
        for client in &mut clients {
            answer_ping(client).await;
        }
        // All answered at once, and are due at many different times.
        let mut now = begun;
        let mut ticks = 0;
        let end = due + HEARTBEAT * 2;
        while let Some(next) = rig.conns.handle_timeouts(usize::MAX, now)
            && next < end
        {
            ticks += 1;
            now = next;
        }
        assert!(ticks > 16, "{ticks}");
    });
}
