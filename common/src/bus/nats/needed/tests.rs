use grandstand_types::id::{Partition, RoomId};

use super::*;
use crate::bus::options::BusOptions;
use crate::subject;

fn permits(role: BusRole, direction: Direction, subject: &str) -> bool {
    let names = Names::new(&BusOptions::default());
    let all = all(&names, role);
    let mut matching = all.iter().filter(|need| need.direction() == direction);
    matching.any(|need| subject::matches(need.permission(), subject))
}

#[test]
fn every_subject_has_a_role_that_sends_and_one_that_receives() {
    let room: RoomId = "memory-42".parse().unwrap();
    let p = Partition(7);
    for (subject, from, to) in [
        (subject::live(p), BusRole::Edge, BusRole::Worker),
        (subject::ctl(p), BusRole::Edge, BusRole::Worker),
        (
            subject::edge(&"e-1".parse().unwrap()),
            BusRole::Worker,
            BusRole::Edge,
        ),
        (subject::hot(&room), BusRole::Worker, BusRole::Edge),
        (
            subject::process_alive(&"e-1".parse().unwrap()),
            BusRole::Worker,
            BusRole::Edge,
        ),
        (
            subject::worker_alive(&"w-1".parse().unwrap()),
            BusRole::Worker,
            BusRole::Worker,
        ),
        (
            subject::api(&"e-1".parse().unwrap()),
            BusRole::Edge,
            BusRole::Edge,
        ),
        (
            subject::worker_link(&"w-1".parse().unwrap()),
            BusRole::Edge,
            BusRole::Worker,
        ),
    ] {
        assert!(
            permits(from, Direction::Publish, &subject),
            "{from}: {subject}"
        );
        assert!(
            permits(to, Direction::Subscribe, &subject),
            "{to}: {subject}"
        );
        assert!(
            !permits(BusRole::Tool, Direction::Publish, &subject),
            "{subject}"
        );
    }
    assert!(permits(
        BusRole::Edge,
        Direction::Publish,
        &subject::log(p, &room)
    ));
    assert!(permits(
        BusRole::Worker,
        Direction::Publish,
        &subject::log(p, &room)
    ));
    assert!(!permits(
        BusRole::Tool,
        Direction::Publish,
        &subject::log(p, &room)
    ));
}

#[test]
fn only_a_worker_emits_what_tools_read() {
    let subject = subject::out(&"results".parse().unwrap());
    let consumer = format!("$JS.API.CONSUMER.CREATE.OUT.x.{subject}");
    for (role, publishes, reads) in [
        (BusRole::Edge, false, false),
        (BusRole::Worker, true, true),
        (BusRole::Tool, false, true),
    ] {
        let permits = |subject| permits(role, Direction::Publish, subject);
        assert_eq!(permits(&subject), publishes, "{role}");
        assert_eq!(permits(&consumer), reads, "{role}");
    }
}

#[test]
fn an_edge_neither_reads_nor_writes_rooms() {
    let revocation = "$KV.revocations.player.x";
    assert!(permits(BusRole::Edge, Direction::Publish, revocation));
    for subject in [
        "$KV.rooms_0.7.memory-42",
        "$KV.leases.7",
        "$KV.cluster.settings",
        "$JS.API.STREAM.MSG.GET.KV_rooms_0",
        "$JS.API.STREAM.MSG.GET.IN_0",
        "$JS.API.CONSUMER.CREATE.KV_rooms_0.x.y",
        "$JS.API.CONSUMER.CREATE.IN_0.x.in.7.*",
        "$JS.API.DIRECT.GET.KV_rooms_0",
        "$JS.API.STREAM.UPDATE.IN_0",
        "$JS.API.STREAM.DELETE.IN_0",
        "$JS.API.STREAM.PURGE.IN_0",
        "edge.other",
        "hot.memory-42",
    ] {
        assert!(
            !permits(BusRole::Edge, Direction::Publish, subject),
            "{subject}"
        );
    }
    for subject in [
        "_INBOX.worker.x.1",
        "in.7.memory-42",
        "live.7",
        "ctl.7",
        ">",
    ] {
        assert!(
            !permits(BusRole::Edge, Direction::Subscribe, subject),
            "{subject}"
        );
    }
}

#[test]
fn an_archive_reads_only_what_games_emit() {
    let permits = |subject| permits(BusRole::Archive, Direction::Publish, subject);
    assert!(permits("$JS.API.CONSUMER.CREATE.OUT.x.out.results"));
    assert!(permits("$JS.API.STREAM.MSG.GET.KV_cluster"));
    for subject in [
        "out.results",
        "in.7.memory-42",
        "$KV.rooms_0.7.memory-42",
        "$JS.API.STREAM.MSG.GET.KV_rooms_0",
        "$JS.API.CONSUMER.CREATE.IN_0.x.in.7.*",
        "$JS.API.STREAM.CREATE.OUT",
        "$JS.API.STREAM.PURGE.OUT",
    ] {
        assert!(!permits(subject), "{subject}");
    }
}

#[test]
fn an_outlet_reads_what_games_send_out_and_appends_answers() {
    let permits = |subject| permits(BusRole::Outlet, Direction::Publish, subject);
    for subject in [
        "$JS.API.CONSUMER.CREATE.OUT.x.out.results",
        "$JS.API.CONSUMER.CREATE.KV_cluster.x.$KV.cluster.>",
        "$KV.outlet.dead.billing.7f_1",
        "in.7.memory-42",
    ] {
        assert!(permits(subject), "{subject}");
    }
    for subject in [
        "out.results",
        "$KV.rooms_0.7.memory-42",
        "$JS.API.STREAM.MSG.GET.KV_rooms_0",
        "$JS.API.CONSUMER.CREATE.IN_0.x.in.7.*",
        "$JS.API.STREAM.CREATE.OUT",
        "$JS.API.STREAM.PURGE.OUT",
    ] {
        assert!(!permits(subject), "{subject}");
    }
}

#[test]
fn edges_and_tools_ask_an_archive() {
    let subject = subject::LEADERBOARD;
    for (role, asks, answers) in [
        (BusRole::Edge, true, false),
        (BusRole::Tool, true, false),
        (BusRole::Archive, false, true),
        (BusRole::Worker, false, false),
    ] {
        assert_eq!(permits(role, Direction::Publish, subject), asks, "{role}");
        assert_eq!(
            permits(role, Direction::Subscribe, subject),
            answers,
            "{role}"
        );
    }
    for inbox in ["_INBOX.edge.x.1", "_INBOX.tool.x.1"] {
        assert!(permits(BusRole::Archive, Direction::Publish, inbox));
    }
}
