//! Checks of the kernel's network, and of the clock.

use super::finding::{Finding, Verdict, size, thousands};
use super::limits::at_least;
use super::machine::{Machine, Reading};
use super::target::Target;

/// The ports that a proxy or a load generator on the machine needs.
const PORTS: u64 = 50_000;
/// The most bytes of a buffer that a connection should begin with.
const LARGE_RECEIVE: u64 = 256 << 10;
const LARGE_SEND: u64 = 64 << 10;
/// The buffers of UDP without a configuration: `quic.buffer_bytes`.
const QUIC_BUFFER: u64 = 2 << 20;
/// The sources of time that are read without a call of the kernel.
const FAST_CLOCKS: [&str; 5] = [
    "tsc",
    "kvm-clock",
    "arch_sys_counter",
    "hyperv_clocksource_tsc_page",
    "riscv_clocksource",
];

/// Checks the network and the clock of a machine.
pub(super) fn check(machine: &Machine, target: &Target) -> Vec<Finding> {
    let queue = target.queue();
    let mut found = vec![at_least(
        machine,
        "net.core.somaxconn",
        queue,
        "caps the queue of clients that wait to be accepted (`tcp.backlog`); beyond it the kernel drops connects, and \
         clients try again after one and three seconds",
    )];
    found.push(syn_backlog(machine, queue));
    found.push(ports(machine));
    found.push(tcp_mem(machine, target));
    found.push(buffer(machine, "net.ipv4.tcp_rmem", LARGE_RECEIVE));
    found.push(buffer(machine, "net.ipv4.tcp_wmem", LARGE_SEND));
    found.push(conntrack(machine, target));
    found.push(switch(
        machine,
        "net.ipv4.tcp_migrate_req",
        "1",
        "clients in the queue of a listener that closes move to another shard, instead of being reset",
    ));
    found.push(switch(
        machine,
        "net.ipv4.tcp_slow_start_after_idle",
        "0",
        "a client that was idle gets its next snapshot at full speed",
    ));
    found.push(congestion(machine));
    found.extend(udp(machine, target));
    found.push(kernel(machine));
    found.push(clock_source(machine));
    found.push(clock_service(machine));
    found
}

fn syn_backlog(machine: &Machine, queue: u64) -> Finding {
    let name = "net.ipv4.tcp_max_syn_backlog";
    let why = "connects that are not complete yet";
    let mut finding = at_least(machine, name, queue, why);
    // Cookies take over from a full queue, at the price of some options of TCP.
    if finding.verdict == Verdict::Fault && machine.sysctl("net.ipv4.tcp_syncookies") != Ok("0") {
        finding.verdict = Verdict::Advice;
    }
    finding
}

fn ports(machine: &Machine) -> Finding {
    let name = "net.ipv4.ip_local_port_range";
    let finding = Finding::machine(name, "").should(
        format!("at least {} ports, for example 1024 65535", thousands(PORTS)),
        "only for what connects from this machine: a proxy in front of the edge, a load generator; each connection to one \
         address takes a port",
    );
    match machine.numbers(name).as_deref() {
        Ok([first, last]) => Finding {
            is: format!("{first} {last}"),
            ..finding
        }
        .unless(
            (last + 1).saturating_sub(*first) >= PORTS,
            Verdict::Advice,
            "",
        )
        .set(name, "1024 65535"),
        Ok(_) => finding.unknown("it has not two numbers"),
        Err(why) => finding.unknown(why.clone()),
    }
}

fn tcp_mem(machine: &Machine, target: &Target) -> Finding {
    let name = "net.ipv4.tcp_mem";
    // A page waits for each connection while an update goes to all of them.
    let pressure = target.connections.max(65_536);
    let needed = [pressure / 4 * 3, pressure, pressure * 2];
    let words = |pages: u64| size(pages * machine.page_bytes);
    let finding = Finding::machine(name, "").should(
        format!("pressure from {} on, a limit of {}", words(needed[1]), words(needed[2])),
        "the buffers of all connections together, in pages; from the second number on the kernel shrinks them, beyond the \
         third it drops packets",
    );
    match machine.numbers(name).as_deref() {
        Ok([low, is_pressed, most]) => {
            let is_well = *is_pressed >= needed[1] && *most >= needed[2];
            let higher: Vec<_> = [*low, *is_pressed, *most]
                .iter()
                .zip(needed)
                .map(|(is, needed)| needed.max(*is).to_string())
                .collect();
            Finding {
                is: format!(
                    "{low} {is_pressed} {most} ({} and {})",
                    words(*is_pressed),
                    words(*most)
                ),
                ..finding
            }
            .unless(is_well, Verdict::Fault, "")
            .set(name, higher.join(" "))
        }
        Ok(_) => finding.unknown("it has not three numbers"),
        Err(why) => finding.unknown(why.clone()),
    }
}

/// A check that connections do not begin with large buffers.
fn buffer(machine: &Machine, name: &'static str, large: u64) -> Finding {
    let finding = Finding::machine(name, "").should(
        format!("a default of at most {large}"),
        "the second number is the buffer of a new connection; large ones let slow clients hold much memory of the kernel",
    );
    match machine.numbers(name).as_deref() {
        Ok([least, default, most]) => Finding {
            is: format!("{least} {default} {most}"),
            ..finding
        }
        .unless(*default <= large, Verdict::Advice, "")
        .set(name, format!("{least} {} {most}", large.min(*default))),
        Ok(_) => finding.unknown("it has not three numbers"),
        Err(why) => finding.unknown(why.clone()),
    }
}

fn conntrack(machine: &Machine, target: &Target) -> Finding {
    let name = "net.netfilter.nf_conntrack_max";
    let needed = target.connections + target.connections / 4 + 65_536;
    let finding = Finding::machine(name, "").should(
        format!("at least {}, or no tracking", thousands(needed)),
        "a firewall that tracks connections drops packets of new ones when its table is full",
    );
    match machine.number(name) {
        Ok(most) => {
            let used = machine.number("net.netfilter.nf_conntrack_count");
            // With 0 the module is there, but no rule uses it.
            let verdict = if used == Ok(0) {
                Verdict::Advice
            } else {
                Verdict::Fault
            };
            let used = used.map_or_else(
                |_| String::new(),
                |used| format!(" ({} in use)", thousands(used)),
            );
            let fix = "or no tracking of the ports for clients (`notrack`)";
            Finding {
                is: thousands(most) + &used,
                ..finding
            }
            .unless(most >= needed, verdict, fix)
            .set(name, needed.max(most).to_string())
        }
        Err(why) if why.starts_with("there is no") => Finding {
            is: "connections are not tracked here".to_owned(),
            ..finding
        },
        Err(why) => finding.unknown(why),
    }
}

fn switch(machine: &Machine, name: &'static str, wanted: &str, why: &str) -> Finding {
    let finding = Finding::machine(name, "").should(wanted, why);
    match machine.sysctl(name) {
        Ok(value) => Finding {
            is: value.to_owned(),
            ..finding
        }
        .unless(value == wanted, Verdict::Advice, "")
        .set(name, wanted),
        Err(why) => finding.unknown(why),
    }
}

fn congestion(machine: &Machine) -> Finding {
    let name = "net.ipv4.tcp_congestion_control";
    let why = "reno recovers slowly from the losses of mobile networks";
    let finding = Finding::machine(name, "").should("cubic or bbr", why);
    let available = machine.sysctl("net.ipv4.tcp_available_congestion_control");
    match machine.sysctl(name) {
        Ok(chosen) => Finding {
            is: match available {
                Ok(available) => format!("{chosen} (of {available})"),
                Err(_) => chosen.to_owned(),
            },
            ..finding
        }
        .unless(matches!(chosen, "cubic" | "bbr"), Verdict::Advice, "")
        .set(name, if chosen == "bbr" { "bbr" } else { "cubic" }),
        Err(why) => finding.unknown(why),
    }
}

fn udp(machine: &Machine, target: &Target) -> Vec<Finding> {
    let buffer = target.quic_buffer.unwrap_or(QUIC_BUFFER);
    let grade = match target.quic_buffer {
        Some(_) => Verdict::Fault,
        None => Verdict::Advice,
    };
    let why = "caps the buffers of the sockets for clients over QUIC (`quic.buffer_bytes`); packets that do not fit are lost";
    let caps = ["net.core.rmem_max", "net.core.wmem_max"].map(|name| {
        let mut finding = at_least(machine, name, buffer, why);
        if finding.verdict == Verdict::Fault {
            finding.verdict = grade;
        }
        finding
    });
    let mut found = Vec::from(caps);
    let name = "net.ipv4.udp_mem";
    let cores = machine.cores.clone().unwrap_or(1);
    let pages = 4 * cores * buffer / machine.page_bytes.max(1);
    let finding = Finding::machine(name, "").should(
        format!("pressure from {} on", size(pages * machine.page_bytes)),
        "the buffers of all sockets of UDP together, in pages",
    );
    found.push(match machine.numbers(name).as_deref() {
        Ok([low, pressure, most]) => {
            let higher = format!("{low} {} {}", pages.max(*pressure), (2 * pages).max(*most));
            Finding {
                is: format!(
                    "{low} {pressure} {most} ({})",
                    size(pressure * machine.page_bytes)
                ),
                ..finding
            }
            .unless(*pressure >= pages, grade, "")
            .set(name, higher)
        }
        Ok(_) => finding.unknown("it has not three numbers"),
        Err(why) => finding.unknown(why.clone()),
    });
    found
}

fn kernel(machine: &Machine) -> Finding {
    let finding = Finding::machine("kernel", "").should(
        "5.14 or newer",
        "tcp_migrate_req came with 5.14, segmentation offload of UDP (GSO), which QUIC uses, with 4.18",
    );
    let version = machine.sysctl("kernel.osrelease").and_then(|text| {
        let parts: Reading<Vec<u64>> = text
            .split(['.', '-', '+'])
            .take(2)
            .map(|part| part.parse().map_err(|_| format!("{text:?} is no version")))
            .collect();
        parts.map(|parts| (text, parts))
    });
    match version {
        Ok((text, parts)) => Finding {
            is: text.to_owned(),
            ..finding
        }
        .unless(parts >= vec![5, 14], Verdict::Advice, "a newer kernel"),
        Err(why) => finding.unknown(why),
    }
}

fn clock_source(machine: &Machine) -> Finding {
    let finding = Finding::machine("clock source", "").should(
        "tsc, kvm-clock or arch_sys_counter",
        "others need a call of the kernel for each look at the clock",
    );
    match &machine.clock_source {
        Ok(source) => Finding {
            is: source.clone(),
            ..finding
        }
        .unless(
            FAST_CLOCKS.contains(&source.as_str()),
            Verdict::Advice,
            "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource, if the machine has it",
        ),
        Err(why) => finding.unknown(why.clone()),
    }
}

fn clock_service(machine: &Machine) -> Finding {
    let finding = Finding::machine("clock", "").should(
        "kept right by NTP",
        "tokens expire by the clock of the edge, and timers of rooms count by that of NATS",
    );
    match &machine.clock_service {
        Ok(service) => Finding {
            is: format!("{service} keeps it right"),
            ..finding
        },
        Err(why) => finding.unknown(why.clone()),
    }
}
