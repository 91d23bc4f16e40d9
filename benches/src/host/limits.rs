//! Checks of the kernel's limits before a run with many thousands of connections.

use std::fs;

/// The needs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Connections. Both ends of each are on this machine.
    pub connections: u64,
    /// Connections from one source address.
    pub per_source: u64,
    /// Connections that may be connecting at a time.
    pub at_once: u64,
}

/// A limit that is too small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooSmall {
    name: &'static str,
    is: String,
    wanted: u64,
    fix: String,
    consequence: &'static str,
}

impl std::fmt::Display for TooSmall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            name,
            is,
            wanted,
            fix,
            consequence,
        } = self;
        write!(
            f,
            "{name} is {is}, {wanted} are needed: {consequence}. Fix: sysctl -w {fix}"
        )
    }
}

/// A limit, the value that a run needs, and the consequence of a smaller one.
struct Limit {
    name: &'static str,
    wanted: fn(&Demand) -> u64,
    consequence: &'static str,
}

/// Limits with a single value.
const LIMITS: [Limit; 5] = [
    Limit {
        name: "net.core.somaxconn",
        wanted: |demand| demand.at_once,
        consequence: "connects beyond it are dropped and retried only a second later",
    },
    Limit {
        name: "net.ipv4.tcp_max_orphans",
        // When the processes end, all their sockets close at once.
        wanted: |demand| demand.connections / 4,
        consequence: "at the end the kernel resets connections and logs it",
    },
    Limit {
        name: "fs.file-max",
        wanted: |demand| demand.connections * 2 + 10_000,
        consequence: "no more sockets can be opened",
    },
    Limit {
        name: "fs.epoll.max_user_watches",
        wanted: |demand| demand.connections * 2 + 10_000,
        consequence: "no more sockets can be added to epoll",
    },
    Limit {
        name: "net.netfilter.nf_conntrack_max",
        wanted: |demand| demand.connections + 10_000,
        consequence: "connects beyond it are dropped",
    },
];

const PORTS: &str = "net.ipv4.ip_local_port_range";

/// Returns the limits that are too small. Limits that this kernel does not have are skipped.
pub fn too_small(demand: &Demand) -> Vec<TooSmall> {
    check(demand, |name| {
        fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()
    })
}

fn check(demand: &Demand, read: impl Fn(&str) -> Option<String>) -> Vec<TooSmall> {
    let mut found = Vec::new();
    let numbers = |name| {
        let text: String = read(name)?;
        let words = text.split_ascii_whitespace();
        words
            .map(|word| word.parse().ok())
            .collect::<Option<Vec<u64>>>()
    };
    if let Some([from, to]) = numbers(PORTS).as_deref() {
        // Once half of an address's ports are taken, the kernel searches all of them for each new connection.
        let ports = to.saturating_sub(*from) + 1;
        let wanted = demand.per_source * 2;
        if ports < wanted {
            found.push(TooSmall {
                name: PORTS,
                is: format!("{from} to {to} ({ports} ports)"),
                wanted,
                fix: format!("{PORTS}=\"1024 65535\""),
                consequence: "connects slow down or fail",
            });
        }
    }
    for limit in &LIMITS {
        let wanted = (limit.wanted)(demand);
        if let Some([is]) = numbers(limit.name).as_deref()
            && *is < wanted
        {
            found.push(TooSmall {
                name: limit.name,
                is: is.to_string(),
                wanted,
                fix: format!("{}={}", limit.name, wanted.next_power_of_two()),
                consequence: limit.consequence,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: Demand = Demand {
        connections: 1_000_000,
        per_source: 10_000,
        at_once: 256,
    };

    fn names(read: impl Fn(&str) -> Option<String>) -> Vec<&'static str> {
        let found = check(&DEMAND, read);
        found.iter().map(|limit| limit.name).collect()
    }

    #[test]
    fn limits_that_are_too_small_are_named_with_the_fix() {
        let small = |name: &str| match name {
            PORTS => Some("32768\t45000\n".to_owned()),
            "net.core.somaxconn" => Some("128\n".to_owned()),
            // As in a container that hides this limit.
            "net.netfilter.nf_conntrack_max" => None,
            "fs.file-max" => Some(u64::from(u32::MAX).to_string()),
            _ => Some("200000\n".to_owned()),
        };
        assert_eq!(
            names(small),
            [
                PORTS,
                "net.core.somaxconn",
                "net.ipv4.tcp_max_orphans",
                "fs.epoll.max_user_watches"
            ]
        );
        let text = check(&DEMAND, small)[1].to_string();
        assert_eq!(
            text,
            "net.core.somaxconn is 128, 256 are needed: connects beyond it are dropped and retried only a second \
             later. Fix: sysctl -w net.core.somaxconn=256"
        );
        let [ports, ..] = &check(&DEMAND, small)[..] else {
            panic!("no limit is reported");
        };
        assert!(
            ports
                .to_string()
                .contains("(12233 ports), 20000 are needed")
        );
    }

    #[test]
    fn sufficient_and_missing_limits_are_not_named() {
        let enough = |name: &str| match name {
            PORTS => Some("1024 65535".to_owned()),
            _ => Some("9223372036854775807".to_owned()),
        };
        assert!(names(enough).is_empty());
        assert!(names(|_| None).is_empty());
        assert!(names(|_| Some("nonsense".to_owned())).is_empty());
    }
}
