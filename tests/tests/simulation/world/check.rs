//! The conditions at the end of a run.

use super::*;

impl World {
    /// Checks every client and returns the number of applied inputs.
    pub(super) fn check(&self) -> u64 {
        let mut applied = 0;
        for room in 0..ROOMS {
            let room = format!("ledger-{room}");
            let clients: Vec<_> = self.clients.iter().filter(|c| c.room == room).collect();
            let view = clients[2].view.as_ref().expect("the spectator has a view");
            assert_eq!(
                self.emitted_by(&room),
                *view["lines"].as_array().expect("a list"),
                "{room}: each line is emitted with one number"
            );
            applied += self.check_bot(&room, view);
            self.check_calls(&room, view);
            let quitters: Vec<_> = clients.iter().filter(|c| c.quit).collect();
            for client in &quitters {
                let lines = lines(view, &client.name);
                let made: Vec<u64> = (1..=client.made).filter(|seq| seq % 7 != 0).collect();
                assert!(made.starts_with(&lines), "{}: {lines:?}", client.name);
                assert!(lines.last().unwrap_or(&0) + 7 > client.acked);
                applied += lines.len() as u64;
            }
            for client in clients.iter().filter(|c| !c.quit) {
                for (player, state) in &client.presence {
                    let is_gone = quitters.iter().any(|c| c.name == *player);
                    let wanted = if is_gone { "lost" } else { "connected" };
                    assert_eq!(state, wanted, "{player} for {}", client.name);
                }
                assert!(client.joined, "{} is not in the room", client.name);
                assert_eq!(client.errors, Vec::<String>::new());
                assert_eq!(
                    client.view.as_ref(),
                    Some(view),
                    "{} has another view than the room's spectator",
                    client.name
                );
                let lines = lines(view, &client.name);
                let made: Vec<u64> = (1..=client.made).filter(|seq| seq % 7 != 0).collect();
                assert_eq!(
                    lines, made,
                    "{}: inputs are applied exactly once and in order",
                    client.name
                );
                assert_eq!(
                    client.acked, client.made,
                    "{}: all inputs are acked",
                    client.name
                );
                if client.player && client.made > 0 {
                    assert_eq!(client.direct, Some(made.len().into()), "{}", client.name);
                }
                applied += client.made;
            }
        }
        applied
    }

    /// Checks that each input of the bot counts once (D37), and that it has played to its end. Returns their number.
    fn check_bot(&self, room: &str, view: &Value) -> u64 {
        let lines = lines(view, BOT);
        let chosen: Vec<u64> = (1..=LAST_OF_BOT).filter(|no| no % 7 != 0).collect();
        assert_eq!(
            lines, chosen,
            "d37: {room}: each input of the bot counts once"
        );
        chosen.len() as u64
    }

    /// Checks that each call has one answer (D38), which is one of the outlet's or the timeout.
    fn check_calls(&self, room: &str, view: &Value) {
        let calls = view["calls"].as_object().expect("the calls");
        let answers = view["answers"].as_array().expect("the answers");
        let mut answered: Vec<_> = answers.iter().map(|answer| &answer[0]).collect();
        answered.sort_by_key(|call| call.as_u64());
        let mut made: Vec<u64> = calls.keys().filter_map(|call| call.parse().ok()).collect();
        made.sort_unstable();
        assert_eq!(answered, made, "d38: {room}: each call has one answer");
        for answer in answers {
            let asked = &calls[&answer[0].to_string()];
            let result = &answer[1];
            assert!(
                result["to"] == *asked || result == "Timeout",
                "d38: {room}: {answer} does not answer {asked}"
            );
        }
    }

    /// Returns the data that a room has emitted, in the order of the numbers.
    fn emitted_by(&self, room: &str) -> Vec<Value> {
        let parse = |body| serde_json::from_slice::<Value>(body).expect("an item is JSON");
        let all = self.emitted.iter().map(|(id, body)| (id, parse(body)));
        let own = all.filter(|(_, body)| body["room"] == room && body["endpoint"].is_null());
        let number = |id: &str| id.rsplit('.').next().and_then(|no| no.parse::<u64>().ok());
        let by_number: BTreeMap<_, _> = own
            .map(|(id, mut body)| (number(id), body["data"].take()))
            .collect();
        by_number.into_values().collect()
    }
}

/// The numbers of a player's applied inputs, in order.
fn lines(view: &Value, player: &str) -> Vec<u64> {
    let lines = view["lines"].as_array().expect("a list").iter();
    let lines = lines.filter(|line| line[0] == player);
    lines
        .map(|line| line[1].as_u64().expect("a number"))
        .collect()
}
