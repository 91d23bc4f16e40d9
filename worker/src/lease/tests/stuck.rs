//! A room loop that is stuck loses its leases, and another one gets them (D28).

use grandstand_common::record::StuckEntry;

use super::*;

fn stuck_at(seq: u64) -> StuckEntry {
    StuckEntry {
        room: "echo-1".parse().unwrap(),
        seq,
        time_ms: 9,
        times: 1,
    }
}

fn stuck(commands: &[LeaseCommand], of: Partition) -> Vec<(u64, u32)> {
    let found = commands.iter().find_map(|command| match command {
        LeaseCommand::Start {
            partition, stuck, ..
        } if *partition == of => Some(stuck),
        _ => None,
    });
    let found = found.expect("it is taken again").iter();
    found.map(|entry| (entry.seq, entry.times)).collect()
}

#[test]
fn d28_the_leases_of_a_stuck_loop_are_released_with_the_entry_and_taken_again() {
    let (now, mut revision) = (start(), 10);
    let mut machine = LeaseMachine::new(LeaseSettings {
        id: id("me"),
        build: "test".to_owned(),
        games: GameVersions::new(),
        layout: Layout::new(4, 1),
        senders: vec![id("me"), id("me-1")],
        alone: false,
        carried_over: CarriedOver::default(),
    });
    machine.handle_connection(now, true);
    machine.handle_loaded();
    drain(&mut machine, now, &mut revision);
    let epochs = |machine: &LeaseMachine| [0, 1, 2, 3].map(|p| machine.epoch(Partition(p)));
    let sender = |machine: &LeaseMachine, p: usize| {
        let stored = machine.state.leases[p].stored.as_ref().unwrap();
        stored.sender().unwrap().to_string()
    };
    let before = epochs(&machine);
    assert_eq!(
        (sender(&machine, 0), sender(&machine, 1)),
        ("me".into(), "me-1".into())
    );

    machine.handle_stuck(Partition(1), Some(stuck_at(7)));
    machine.handle_stuck(Partition(3), None);
    machine.handle_sender(1, id("me-2"));
    let commands = drain(&mut machine, now, &mut revision);
    let after = epochs(&machine);
    assert_eq!((before[0], before[2]), (after[0], after[2]));
    assert!(before[1] < after[1] && before[3] < after[3]);
    assert_eq!(stuck(&commands, Partition(1)), [(7, 1)]);
    assert_eq!(stuck(&commands, Partition(3)), []);
    assert_eq!(sender(&machine, 1), "me-2");

    // The second time at the same entry, and the first time at another one.
    machine.handle_stuck(Partition(1), Some(stuck_at(7)));
    let commands = drain(&mut machine, now, &mut revision);
    assert_eq!(stuck(&commands, Partition(1)), [(7, 2)]);
    machine.handle_stuck(Partition(1), Some(stuck_at(8)));
    let commands = drain(&mut machine, now, &mut revision);
    assert_eq!(stuck(&commands, Partition(1)), [(7, 2), (8, 1)]);

    // The lease keeps the last eight.
    for seq in 9..20 {
        machine.handle_stuck(Partition(1), Some(stuck_at(seq)));
        drain(&mut machine, now, &mut revision);
    }
    machine.handle_stuck(Partition(1), None);
    let commands = drain(&mut machine, now, &mut revision);
    let kept: Vec<_> = (12..20).map(|seq| (seq, 1)).collect();
    assert_eq!(stuck(&commands, Partition(1)), kept);
}
