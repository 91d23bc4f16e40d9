use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use super::table::{MAX_UNUSED, STRIPES};
use super::*;

struct Bench {
    limits: SharedLimits,
    start: Instant,
}

impl Bench {
    fn new(settings: LimitSettings) -> Self {
        let start = tokio::time::Instant::now().into_std();
        let limits = SharedLimits::new(settings, start);
        Self { limits, start }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn arrive(&self, address: &str, ms: u64) -> Result<Arrived, Limit> {
        let address = Some(address.parse().unwrap());
        let arrived = self.limits.arrive(address, self.at(ms));
        arrived.map_err(|refused| refused.limit)
    }

    fn sweep(&self, ms: u64) {
        for part in 0..SharedLimits::SWEEPS {
            self.limits.sweep(part, self.at(ms));
        }
    }
}

#[test]
fn an_address_has_its_connections_and_gets_them_back() {
    let bench = Bench::new(LimitSettings {
        address_connections: 2,
        ..LimitSettings::default()
    });
    let first = bench.arrive("192.0.2.1", 0).unwrap().open();
    let second = bench.arrive("192.0.2.1", 0).unwrap();
    let full = Some(Limit::AddressConnections);
    assert_eq!(bench.arrive("192.0.2.1", 0).err(), full);
    assert_eq!(bench.arrive("::ffff:192.0.2.1", 0).err(), full);
    assert!(bench.arrive("192.0.2.2", 0).is_ok());
    drop(second);
    let second = bench.arrive("192.0.2.1", 0).unwrap();
    drop((first, second));
    assert_eq!(bench.limits.connections(), 0);
    assert_eq!(bench.limits.refused(Limit::AddressConnections), 2);
    bench.sweep(0);
    assert_eq!(bench.limits.counted(), (0, 0));
}

#[test]
fn handshakes_in_progress_and_per_second_are_limited() {
    let bench = Bench::new(LimitSettings {
        address_handshakes: 1,
        address_handshakes_per_s: 10,
        address_handshake_burst: 3,
        ..LimitSettings::default()
    });
    let first = bench.arrive("2001:db8::1", 0).unwrap();
    let busy = bench.arrive("2001:db8::2", 0).err();
    assert_eq!(busy, Some(Limit::AddressHandshakes));
    let open = first.open();
    drop(bench.arrive("2001:db8::3", 0).unwrap());
    let address = Some("2001:db8::4".parse().unwrap());
    let refused = bench.limits.arrive(address, bench.at(0)).unwrap_err();
    assert_eq!(refused.limit, Limit::AddressHandshakesPerS);
    assert_eq!((refused.retry_after_ms(), refused.is_flood), (200, false));
    for _ in 0..9 {
        bench.arrive("2001:db8::4", 0).unwrap_err();
    }
    let refused = bench.limits.arrive(address, bench.at(0)).unwrap_err();
    assert!(refused.is_flood);
    assert!(bench.arrive("2001:db8::4", 2_000).is_ok());
    drop(open);
    bench.sweep(2_000);
    assert_eq!(bench.limits.counted().0, 1, "it still owes");
    bench.sweep(4_000);
    assert_eq!(bench.limits.counted().0, 0);
}

#[test]
fn a_proxy_names_the_client_later_and_exempt_networks_are_not_limited() {
    let bench = Bench::new(LimitSettings {
        connections: 4,
        address_connections: 1,
        exempt: Networks::parse(&["127.0.0.0/8".to_owned()]).unwrap(),
        ..LimitSettings::default()
    });
    let mut behind = bench.limits.arrive(None, bench.at(0)).unwrap();
    behind
        .charge("192.0.2.1".parse().unwrap(), bench.at(0))
        .unwrap();
    assert!(bench.arrive("192.0.2.1", 0).is_err());
    behind
        .charge("192.0.2.2".parse().unwrap(), bench.at(0))
        .unwrap();
    let direct = bench.arrive("192.0.2.1", 0).unwrap();
    let exempt = [0, 1].map(|_| bench.arrive("127.0.0.1", 0).unwrap());
    let full = bench.arrive("127.0.0.1", 0).err();
    assert_eq!(full, Some(Limit::Connections));
    drop((behind, direct, exempt));
    assert_eq!(bench.limits.connections(), 0);
}

#[test]
fn the_table_stays_bounded_when_a_whole_network_of_ipv6_connects() {
    let bench = Bench::new(LimitSettings {
        address_handshakes_per_s: 1,
        address_handshake_burst: 4,
        ..LimitSettings::default()
    });
    let connected: Vec<_> = (0..100_u128)
        .map(|i| Ipv6Addr::from_bits(0x2001_0db9 << 96 | i << 64))
        .map(|address| bench.arrive(&address.to_string(), 0).unwrap().open())
        .collect();
    for _ in 0..12 {
        bench.arrive("192.0.2.1", 0).ok();
    }
    for i in 0..150_000_u128 {
        let address = IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | i << 64));
        drop(bench.limits.arrive(Some(address), bench.at(0)).unwrap());
    }
    let counted = bench.limits.counted().0;
    assert!(
        counted <= STRIPES * MAX_UNUSED + connected.len(),
        "{counted}"
    );
    assert!(bench.arrive("192.0.2.1", 0).is_err(), "it owes too much");
    bench.sweep(60_000);
    assert_eq!(bench.limits.counted().0, connected.len());
}

#[test]
fn a_player_has_its_connections_and_joins() {
    let bench = Bench::new(LimitSettings {
        player_connections: 1,
        player_joins_per_s: 1,
        player_join_burst: 2,
        ..LimitSettings::default()
    });
    let (limits, now) = (&bench.limits, bench.at(0));
    limits.enter_player("alice", now).unwrap();
    let refused = limits.enter_player("alice", now).unwrap_err();
    assert_eq!(refused.limit, Limit::PlayerConnections);
    limits.enter_player("bob", now).unwrap();
    limits.leave_player("alice");
    limits.enter_player("alice", now).unwrap();
    for _ in 0..2 {
        limits.charge_join("alice", now).unwrap();
    }
    let refused = limits.charge_join("alice", now).unwrap_err();
    assert_eq!(refused.limit, Limit::PlayerJoinsPerS);
    assert_eq!(refused.retry_after_ms(), 2_000);
    limits.charge_join("alice", bench.at(2_000)).unwrap();
}

#[test]
fn lack_of_memory_refuses_new_connections() {
    let bench = Bench::new(LimitSettings::default());
    bench.limits.set_pressure(Pressure::Spectators);
    assert_eq!(bench.arrive("192.0.2.1", 0).err(), Some(Limit::Memory));
    bench.limits.set_pressure(Pressure::None);
    assert!(bench.arrive("192.0.2.1", 0).is_ok());
    assert_eq!(bench.limits.connections(), 0);
}

#[test]
fn a_connection_and_an_entry_take_few_bytes() {
    assert_eq!(size_of::<Presence>(), 16);
    assert_eq!(size_of::<(table::Key, entry::Entry)>(), 24);
    for (index, limit) in Limit::ALL.into_iter().enumerate() {
        assert_eq!(limit as usize, index);
    }
}

#[test]
fn a_budget_of_inputs_outlives_its_sessions_only_while_it_is_in_debt() {
    let bench = Bench::new(LimitSettings::default());
    let budget = bench.limits.player_inputs("alice");
    budget.take(1_000, 1_000, bench.start);
    let again = bench.limits.player_inputs("alice");
    assert!(bench.limits.player_inputs("bob").wait_ms(1, bench.start) == 0);
    again.take(4_000, 1_000, bench.start);
    assert_eq!(budget.wait_ms(1_000, bench.start), 1_001);
    drop((budget, again));
    bench.sweep(4_999);
    let back = bench.limits.player_inputs("alice");
    assert_eq!(back.wait_ms(1_000, bench.start), 1_001);
    bench.sweep(5_001);
    assert_eq!(bench.limits.input_budgets(), 1, "it is used");
    drop(back);
    bench.sweep(5_001);
    assert_eq!(bench.limits.input_budgets(), 0);
}
