//! Sessions, hub and rooms in one thread, over a bus that delays, drops and repeats, with crashes of workers and
//! connections.
//!
//! All randomness comes from the seed, which a failure prints: `SEED=17 cargo test -p grandstand-tests --test
//! simulation` repeats it. `SEEDS=5000` runs more seeds of each of the five plans; the default is 60.

mod bus;
mod client;
mod ledger;
mod world;

use world::{Plan, World};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run(plan: fn() -> Plan) -> u64 {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(60),
    };
    let (mut applied, mut heated) = (0, 0);
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| World::new(seed, plan()).run());
        match outcome {
            Ok((inputs, hot)) => {
                applied += inputs;
                heated += hot;
            }
            Err(_) => panic!("the simulation with seed {seed} fails: SEED={seed} repeats it"),
        }
    }
    assert!(applied > 0, "no input was applied");
    heated
}

#[test]
fn rooms_stay_consistent_on_a_perfect_bus() {
    run(|| Plan {
        lost: 0.0,
        repeated: 0.0,
        reordered: 0.0,
        worker_restarts: 0,
        connection_drops: 0.02,
        ..Plan::default()
    });
}

#[test]
fn rooms_survive_a_bus_that_delays_drops_and_repeats() {
    run(|| Plan {
        worker_restarts: 0,
        ..Plan::default()
    });
}

#[test]
fn rooms_survive_workers_that_die() {
    run(Plan::default);
}

/// With much reordering: a `Lost` overtakes its `Joined`, and an edge dies while its entries are in flight.
#[test]
fn rooms_survive_players_who_quit_and_edges_that_die() {
    run(|| Plan {
        lost: 0.15,
        reordered: 0.15,
        connection_drops: 0.1,
        quits: 1.0,
        edge_restarts: 3,
        ..Plan::default()
    });
}

#[test]
fn rooms_survive_slow_clients() {
    run(|| Plan {
        slow: 0.3,
        ..Plan::default()
    });
}

#[test]
fn d22_hot_rooms_that_come_and_go() {
    let heated = run(|| Plan {
        hot: true,
        connection_drops: 0.3,
        worker_restarts: 2,
        outages: 3,
        ..Plan::default()
    });
    assert!(heated > 0, "no room became hot");
}
