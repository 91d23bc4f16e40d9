//! The line of each entry, and the text of a report.

use serde_json::json;

use super::desk::*;
use super::*;

#[test]
fn a_line_has_the_entry_and_its_effects() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["direct", "reject", "timer", "clear", "timer", "finish"]);
    let repeat = desk.append(&input(("alice", 10), 3, 3, "timer"));
    let gap = desk.append(&input(("alice", 10), 9, 9, "roll"));
    let stranger = desk.append(&input(("bob", 20), 1, 1, "roll"));
    let stale = desk.fire("t", 1);
    let deletion = desk.fire("=delete", 3);
    let report = desk.replay().unwrap();

    let line = desk.line(seqs[0]);
    assert_eq!(line["kind"], "joined");
    assert_eq!(line["session"], "000000000000000a");
    assert_eq!(
        (&line["player"], &line["n"], &line["created"]),
        (&json!("alice"), &json!(0), &json!(true))
    );
    assert_eq!(line["time"], "2026-01-01T00:00:00.040Z");
    assert!(
        line.get("seed").is_none() && line.get("updates").is_none(),
        "{line}"
    );

    let line = desk.line(seqs[1]);
    assert_eq!(
        (&line["input"], &line["data"]),
        (&json!(1), &json!("direct"))
    );
    assert_eq!(
        line["directs"],
        json!([{"player": "alice", "data": "psst"}])
    );
    assert_eq!(
        line["updates"],
        json!([{"players": 1, "spectators": 1, "data": "direct"}])
    );
    assert_eq!(line["hash"].as_str().unwrap().len(), 16);

    let line = desk.line(seqs[2]);
    assert_eq!(
        line["rejects"],
        json!([{"input": 2, "code": "no", "message": "because"}])
    );
    assert!(line.get("skipped").is_none(), "it was processed: {line}");

    let due = "2026-01-01T00:00:01.160Z";
    assert_eq!(
        desk.line(seqs[3])["timers_set"],
        json!([{"name": "t", "due": due, "arming": 1}])
    );
    assert_eq!(desk.line(seqs[4])["timers_cleared"], json!(["t"]));
    let line = desk.line(seqs[6]);
    assert_eq!(
        (&line["finished"], &line["timers_cleared"]),
        (&json!(true), &json!(["t"]))
    );
    assert_eq!(line["timers_set"][0]["name"], "=delete");

    for (seq, why) in [
        (repeat, "repeat"),
        (gap, "gap"),
        (stranger, "not_joined"),
        (stale, "stale"),
    ] {
        assert_eq!(desk.line(seq)["skipped"], why);
    }
    assert_eq!(desk.line(repeat)["hash"], desk.line(seqs[6])["hash"]);
    let line = desk.line(deletion);
    assert_eq!((&line["deleted"], line.get("hash")), (&json!(true), None));

    let tally = &report.tally;
    assert_eq!(tally.entries, 12);
    assert_eq!(tally.kinds["input"], 9);
    assert_eq!(tally.skipped.values().sum::<u64>(), 4);
    assert_eq!(
        tally.players["alice"],
        PlayerTally {
            joins: 1,
            inputs: 6,
            rejects: 1
        }
    );
    assert_eq!(tally.players.get("bob"), None);
    assert_eq!(tally.finished, Some(seqs[6]));
}

#[test]
fn unreadable_entries_and_refused_joins_are_reported() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll"]);
    let bad = desk.next_seq;
    desk.append(&joined("bob", 20, 1));
    desk.log.last_mut().unwrap().payload = bytes::Bytes::from_static(b"\xff\xff");
    let report = desk.replay().unwrap();
    assert_eq!(desk.line(bad)["kind"], "unreadable");
    assert_eq!(report.tally.kinds["unreadable"], 1);
    assert_eq!(report.tally.entries, seqs.len() as u64 + 1);
}

#[test]
fn line_breaks_in_json_are_removed() {
    let mut desk = Desk::new();
    desk.join("alice", 10);
    let pretty = "{\r\n  \"a\": [\n1,\n 2],\n\"b\": \"x\\ny\"\n}";
    let mut entry = input(("alice", 10), 1, 1, "");
    if let Some(grandstand_common::wire::Body::Input(input)) = &mut entry.body {
        input.data = Some(grandstand_common::data::Data::Json(pretty.into()));
    }
    let seq = desk.append(&entry);
    desk.replay().unwrap();
    let line = desk.lines.iter().find(|line| line.seq == seq);
    let text = serde_json::to_string(line.unwrap()).unwrap();
    assert!(!text.contains('\n') && !text.contains('\r'), "{text}");
    assert_eq!(desk.line(seq)["data"], json!({"a": [1, 2], "b": "x\ny"}));
}

#[test]
fn the_text_names_players_entries_timers_and_sizes() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "reject", "timer", "grow", "shrink"]);
    desk.join("zoë", 20);
    desk.append(&left(("zoë", 20), 1));
    desk.append(&left(("zoë", 20), 1));
    desk.store(seqs[5]);
    let text = desk.replay().unwrap().to_string();
    let mut wanted = vec![
        "odd-1        the game odd, partition 0".to_owned(),
        "created      2026-01-01 00:00:00.040  by entry 1".to_owned(),
        "players      alice  connected  5 inputs, 1 rejected, 1 join".to_owned(),
        "             zoë    left       0 inputs, 1 join".to_owned(),
        "entries      9: 5 input, 2 joined, 2 left".to_owned(),
        "             1 of them changed nothing: 1 repeat".to_owned(),
        "timers       t at ".to_owned(),
        "the state was largest after entry 13: 39 KiB".to_owned(),
        format!(
            "EQUAL        after entry {} the replay has the stored state",
            seqs[5]
        ),
    ];
    wanted.push("three replays agree after every entry".to_owned());
    for part in wanted {
        assert!(text.contains(&part), "{part} is not in\n{text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() < 130),
        "{text}"
    );
}
