//! Checks of limits: files, memory, cores, tasks.

use super::finding::{Finding, Verdict, size, thousands};
use super::machine::{Machine, Reading};
use super::target::Target;

/// The threads that an edge and a worker may have.
const TASKS: u64 = 512;

/// Checks the limits of a machine.
pub(super) fn check(machine: &Machine, target: &Target) -> Vec<Finding> {
    let mut found = vec![open_files(machine, target)];
    let files = target.files();
    found.push(at_least(
        machine,
        "fs.nr_open",
        files,
        "the highest limit of open files that a process may have",
    ));
    found.push(at_least(
        machine,
        "fs.file-max",
        files + 65_536,
        "the open files of all processes together",
    ));
    found.push(at_least(
        machine,
        "fs.epoll.max_user_watches",
        files + 65_536,
        "each connection is watched by epoll",
    ));
    found.push(memory(machine, target));
    found.push(cpus(machine));
    found.push(tasks(machine));
    found.push(huge_pages(machine));
    found
}

/// A check of a number that must be high enough.
pub(super) fn at_least(machine: &Machine, name: &'static str, least: u64, why: &str) -> Finding {
    let finding = Finding::machine(name, "").should(format!("at least {}", thousands(least)), why);
    match machine.number(name) {
        Ok(value) => Finding {
            is: thousands(value),
            ..finding
        }
        .unless(value >= least, Verdict::Fault, "")
        .set(name, least.max(value).to_string()),
        Err(why) => finding.unknown(why),
    }
}

fn open_files(machine: &Machine, target: &Target) -> Finding {
    let needed = target.files();
    let limit = machine.open_files;
    let word = |limit: Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), thousands);
    let is = format!(
        "{} (of this shell; at most {})",
        word(limit.soft),
        word(limit.hard)
    );
    // Edges raise the soft limit to the hard one.
    let is_well = limit.hard.is_none_or(|hard| hard >= needed);
    Finding::machine("open files", is)
        .should(
            format!("at least {}", thousands(needed)),
            "each connection is an open file; beyond the limit clients wait in the queue of the kernel",
        )
        .unless(
            is_well,
            Verdict::Fault,
            format!(
                "LimitNOFILE={needed} in the systemd unit; `--ulimit nofile={needed}` for a container; \
                 `* - nofile {needed}` in /etc/security/limits.d/grandstand.conf for a shell"
            ),
        )
}

fn memory(machine: &Machine, target: &Target) -> Finding {
    let needed = target.memory_bytes();
    let why = "idle connections with the buffers of the kernel, as benches/README.md measured them; an edge refuses new \
               clients from 85 % on (`limits.memory_percent`)";
    let finding = Finding::machine("memory", "").should(format!("at least {}", size(needed)), why);
    let usable = match machine.usable_bytes() {
        Ok(usable) => usable,
        Err(why) => return finding.unknown(why),
    };
    let from = match &machine.cgroup.memory_bytes {
        Ok(Some(limit)) if *limit <= usable => "limit of the control group",
        Ok(_) => "of the machine",
        Err(_) => "of the machine; the limit of the control group is unknown",
    };
    let is = format!("{} ({from})", size(usable));
    let fix = "more memory, or fewer connections on this machine: further edges share them";
    Finding { is, ..finding }.unless(usable >= needed, Verdict::Fault, fix)
}

fn cpus(machine: &Machine) -> Finding {
    let why = "each shard is a thread, one for each core that the process may use (`edge.shards`)";
    let finding = Finding::machine("cores", "").should("at least 1 whole core", why);
    let cores: Reading<u64> = machine.cores.clone();
    match (cores, &machine.cgroup.cpus) {
        (Ok(cores), Ok(Some(quota))) => Finding {
            is: format!("{cores}, with a quota of {quota:.1} (cpu.max)"),
            ..finding
        }
        .unless(
            *quota >= 1.0,
            Verdict::Advice,
            "a quota of at least one core: CPUQuota= in the unit, `cpus` of the container, or the limit of the pod",
        ),
        (Ok(cores), quota) => Finding {
            is: match quota {
                Ok(_) => format!("{cores}, without a quota"),
                Err(why) => format!("{cores}; the quota is unknown: {why}"),
            },
            ..finding
        },
        (Err(why), _) => finding.unknown(why),
    }
}

fn tasks(machine: &Machine) -> Finding {
    let why = "each shard and each loop of rooms is a thread";
    let finding = Finding::machine("tasks of the control group", "");
    let finding = finding.should(format!("at least {TASKS}"), why);
    match &machine.cgroup.tasks {
        Ok(None) => Finding {
            is: "unlimited".to_owned(),
            ..finding
        },
        Ok(Some(tasks)) => Finding {
            is: thousands(*tasks),
            ..finding
        }
        .unless(
            *tasks >= TASKS,
            Verdict::Fault,
            format!("TasksMax={TASKS} in the unit, or `pids_limit` of the container"),
        ),
        Err(why) => finding.unknown(why.clone()),
    }
}

fn huge_pages(machine: &Machine) -> Finding {
    let finding = Finding::machine("transparent huge pages", "").should(
        "madvise or never",
        "with `always` a page of 2 MiB stays in use for a few connections, so memory does not shrink when clients leave",
    );
    match &machine.huge_pages {
        Ok(mode) => Finding {
            is: mode.clone(),
            ..finding
        }
        .unless(
            mode != "always",
            Verdict::Advice,
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled; for good: transparent_hugepage=madvise on the \
             command line of the kernel",
        ),
        Err(why) => finding.unknown(why.clone()),
    }
}
