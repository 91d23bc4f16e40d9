//! Findings from readings of machines, and those of this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_common::bus::{LogLimit, StreamUse, Survey};
use grandstand_common::layout::Layout;

use super::finding::{Finding, Verdict};
use super::machine::{Cgroup, FileLimit, Machine};
use super::target::Target;
use super::*;

const TARGET: Target = Target {
    connections: 1_000_000,
    backlog: 16_384,
    quic_buffer: Some(2 << 20),
    is_tls: false,
};

/// A machine as a distribution sets it up.
fn usual() -> Machine {
    let sysctls = [
        ("fs.epoll.max_user_watches", "3600000"),
        ("fs.file-max", "9223372036854775807"),
        ("fs.nr_open", "1048576"),
        ("kernel.osrelease", "6.12.3-cloud-amd64"),
        ("net.core.rmem_max", "212992"),
        ("net.core.somaxconn", "4096"),
        ("net.core.wmem_max", "212992"),
        ("net.ipv4.ip_local_port_range", "32768 60999"),
        ("net.ipv4.tcp_available_congestion_control", "reno cubic"),
        ("net.ipv4.tcp_congestion_control", "cubic"),
        ("net.ipv4.tcp_max_syn_backlog", "1024"),
        ("net.ipv4.tcp_mem", "189000 252000 378000"),
        ("net.ipv4.tcp_migrate_req", "0"),
        ("net.ipv4.tcp_rmem", "4096 131072 6291456"),
        ("net.ipv4.tcp_slow_start_after_idle", "1"),
        ("net.ipv4.tcp_syncookies", "1"),
        ("net.ipv4.tcp_wmem", "4096 16384 4194304"),
        ("net.ipv4.udp_mem", "378000 504000 756000"),
        ("net.netfilter.nf_conntrack_count", "12"),
        ("net.netfilter.nf_conntrack_max", "262144"),
    ];
    let sysctls = sysctls.map(|(name, value)| (name.to_owned(), Ok(value.to_owned())));
    Machine {
        open_files: FileLimit {
            soft: Some(1024),
            hard: Some(524_288),
        },
        sysctls: BTreeMap::from(sysctls),
        page_bytes: 4096,
        memory_bytes: Ok(32 << 30),
        cores: Ok(8),
        cgroup: Cgroup {
            memory_bytes: Ok(None),
            cpus: Ok(None),
            tasks: Ok(None),
        },
        huge_pages: Ok("always".to_owned()),
        clock_source: Ok("tsc".to_owned()),
        clock_service: Ok("chrony".to_owned()),
    }
}

fn check(machine: &Machine, target: &Target) -> Vec<Finding> {
    let mut found = limits::check(machine, target);
    found.extend(network::check(machine, target));
    found
}

fn of(found: &[Finding], verdict: Verdict) -> Vec<&'static str> {
    let found = found.iter().filter(|finding| finding.verdict == verdict);
    found.map(|finding| finding.check).collect()
}

#[test]
fn a_usual_machine_is_told_what_a_million_connections_need() {
    let found = check(&usual(), &TARGET);
    let faults = [
        "open files",
        "net.core.somaxconn",
        "net.ipv4.tcp_mem",
        "net.netfilter.nf_conntrack_max",
        "net.core.rmem_max",
        "net.core.wmem_max",
    ];
    assert_eq!(of(&found, Verdict::Fault), faults);
    let advice = [
        "transparent huge pages",
        "net.ipv4.tcp_max_syn_backlog",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_migrate_req",
        "net.ipv4.tcp_slow_start_after_idle",
    ];
    assert_eq!(of(&found, Verdict::Advice), advice);
    assert_eq!(of(&found, Verdict::Unknown), [""; 0]);
    for finding in &found {
        assert!(
            !finding.is.is_empty() && !finding.should.is_empty(),
            "{finding:?}"
        );
        assert!(!finding.why.is_empty(), "{finding:?}");
        let is_well = finding.verdict == Verdict::Well;
        assert_eq!(finding.fix.is_empty(), is_well, "{finding:?}");
    }
}

#[test]
fn with_the_written_settings_nothing_is_left_but_the_limit_of_files() {
    let mut machine = usual();
    let text = sysctl::content(&check(&machine, &TARGET), TARGET.connections);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.split_once(" = ") else {
            continue;
        };
        let before = machine
            .sysctls
            .insert(name.to_owned(), Ok(value.to_owned()));
        assert!(before.is_some(), "{name} was not read");
    }
    machine.huge_pages = Ok("madvise".to_owned());
    let found = check(&machine, &TARGET);
    assert_eq!(of(&found, Verdict::Fault), ["open files"]);
    assert_eq!(of(&found, Verdict::Advice), [""; 0]);
    machine.open_files.hard = None;
    assert_eq!(of(&check(&machine, &TARGET), Verdict::Fault), [""; 0]);
}

#[test]
fn fewer_connections_need_less() {
    let small = Target {
        connections: 1000,
        quic_buffer: None,
        ..TARGET
    };
    let found = check(&usual(), &small);
    assert_eq!(of(&found, Verdict::Fault), [""; 0]);
    assert!(of(&found, Verdict::Advice).contains(&"net.core.rmem_max"));
}

#[test]
fn limits_of_a_container_count() {
    let mut machine = usual();
    machine.cgroup = Cgroup {
        memory_bytes: Ok(Some(1 << 30)),
        cpus: Ok(Some(0.5)),
        tasks: Ok(Some(100)),
    };
    let found = check(&machine, &TARGET);
    let faults = of(&found, Verdict::Fault);
    assert!(faults.contains(&"memory") && faults.contains(&"tasks of the control group"));
    assert!(of(&found, Verdict::Advice).contains(&"cores"));
}

#[test]
fn what_cannot_be_read_is_said_and_is_no_fault() {
    let mut machine = usual();
    for value in machine.sysctls.values_mut() {
        *value = Err("only for root".to_owned());
    }
    let missing = Err("there is no /proc/sys/net/netfilter/nf_conntrack_max".to_owned());
    let name = "net.netfilter.nf_conntrack_max".to_owned();
    machine.sysctls.insert(name, missing);
    machine.memory_bytes = Err("no".to_owned());
    let found = check(&machine, &TARGET);
    assert_eq!(of(&found, Verdict::Fault), ["open files"]);
    assert!(of(&found, Verdict::Unknown).len() >= 17, "{found:?}");
    let tracking = found.iter().find(|f| f.check.contains("conntrack"));
    assert_eq!(tracking.map(|finding| finding.verdict), Some(Verdict::Well));
    assert!(judge(Counts::of(&found), false).is_err());
}

#[test]
fn this_machine_can_be_read() {
    let machine = Machine::read(Path::new("/"));
    let found = check(&machine, &TARGET);
    let open_files = &found[0];
    assert_eq!(open_files.check, "open files");
    let known = found
        .iter()
        .filter(|f| f.verdict != Verdict::Unknown)
        .count();
    assert!(known >= 10, "{found:?}");
    assert!(machine.memory_bytes.is_ok() && machine.cores.is_ok());
}

#[test]
fn only_faults_decide_unless_the_check_is_strict() {
    let counts = |fault, advice, unknown| Counts {
        fault,
        advice,
        unknown,
        well: 1,
    };
    assert!(judge(counts(0, 1, 1), false).is_ok());
    assert_eq!(
        judge(counts(0, 0, 1), true).unwrap_err().exit(),
        Exit::Faults
    );
    assert!(judge(counts(0, 0, 0), true).is_ok());
    assert_eq!(
        judge(counts(2, 0, 0), false).unwrap_err().exit(),
        Exit::Faults
    );
}

const WANTED: Wanted = Wanted {
    replicas: 1,
    streams: 4,
    log_limit: LogLimit::Share,
};

fn survey() -> Survey {
    Survey {
        version: "2.12.1".to_owned(),
        server: "n1".to_owned(),
        servers: 1,
        max_payload: 1 << 20,
        has_jetstream: true,
        round_trips: [1, 1, 2].map(Duration::from_millis).to_vec(),
        account: Ok(grandstand_common::bus::Account {
            storage: 10,
            max_storage: -1,
            streams: 1,
            max_streams: -1,
        }),
        clock_skew_ms: Some(-3),
        layout: Some(Layout::new(256, 4)),
        streams: vec![StreamUse {
            name: "IN_0".to_owned(),
            bytes: 10,
            max_bytes: 100,
            replicas: 1,
        }],
        missing: Vec::new(),
        denied: Ok(Vec::new()),
    }
}

#[test]
fn a_cluster_that_is_well_has_no_findings_but_good_ones() {
    let found = cluster::check(&survey(), WANTED);
    assert_eq!(of(&found, Verdict::Well).len(), found.len(), "{found:?}");
}

#[test]
fn each_fault_of_a_cluster_is_found() {
    let faults = |change: fn(&mut Survey), wanted| {
        let mut survey = survey();
        change(&mut survey);
        of(&cluster::check(&survey, wanted), Verdict::Fault)
    };
    assert_eq!(
        faults(|s| s.version = "2.10.29".into(), WANTED),
        ["nats version"]
    );
    assert_eq!(faults(|s| s.max_payload = 1000, WANTED), ["max_payload"]);
    assert_eq!(faults(|s| s.has_jetstream = false, WANTED), ["jetstream"]);
    let denied = |s: &mut Survey| s.denied = Ok(vec!["publish in.*.*".to_owned()]);
    assert_eq!(faults(denied, WANTED), ["permissions"]);
    assert_eq!(
        faults(|s| s.clock_skew_ms = Some(1500), WANTED),
        ["clock skew"]
    );
    let slow = |s: &mut Survey| s.round_trips = vec![Duration::from_millis(80)];
    assert_eq!(faults(slow, WANTED), ["round trip"]);
    let three = Wanted {
        replicas: 3,
        ..WANTED
    };
    assert_eq!(faults(|_| {}, three), ["replicas"]);
    assert_eq!(faults(|s| s.streams[0].bytes = 80, WANTED), ["streams"]);
    assert_eq!(
        faults(|s| s.missing = vec!["IN_1".into()], WANTED),
        ["streams"]
    );
    let limited = Wanted {
        log_limit: LogLimit::Bytes(1 << 30),
        ..WANTED
    };
    let small = |s: &mut Survey| s.account.as_mut().unwrap().max_storage = 1 << 30;
    assert_eq!(faults(small, limited), ["jetstream storage"]);
}
