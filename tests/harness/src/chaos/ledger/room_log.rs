//! The record of a room, and its comparison with the inputs that were acked.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_common::id::Lane;

use super::player_log::PlayerLog;
use crate::chaos::lanes::{Histories, LaneLog};
use crate::chaos::script::Game;
use crate::chaos::violation::Rule;

/// The record of a room.
#[derive(Debug)]
pub(super) struct RoomLog {
    pub(super) game: Game,
    pub(super) instance: Option<String>,
    /// The time at which a client has seen the game's end.
    pub(super) over: Option<Duration>,
    pub(super) histories: Histories,
    /// Whether the room was created again because the store had lost it.
    pub(super) restarted: bool,
    pub(super) players: BTreeMap<String, PlayerLog>,
}

impl RoomLog {
    /// Returns the violations in a lane: the rule, the expected state and the found state.
    pub(super) fn check(&self, lane: Lane) -> Vec<(Rule, String, String)> {
        let mut wrong = Vec::new();
        let Some(log) = self.histories.newest(lane) else {
            return wrong;
        };
        // Only the log of an unknown game says what an update contains.
        if self.game.is_own() {
            return wrong;
        }
        if self.restarted || self.histories.are_many() {
            return self.check_count(log).into_iter().collect();
        }
        let mut shown: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (player, what) in log.updates.iter().flatten().filter_map(|s| s.by.as_ref()) {
            shown.entry(player).or_default().push(*what);
        }
        let unseen = (log.top as usize).saturating_sub(log.updates.iter().flatten().count());
        let mut missing = 0;
        for (player, inputs) in &self.players {
            let accepted = inputs.accepted();
            let shown = shown.remove(player.as_str()).unwrap_or_default();
            missing += accepted.len().saturating_sub(shown.len());
            if let Some(at) = first_out_of_place(&shown, &accepted) {
                let again = shown[..at].contains(&shown[at]) && self.game.is_numbered();
                let rule = if again { Rule::Doubled } else { Rule::Order };
                wrong.push((
                    rule,
                    format!("{player}: a subsequence of {}", around(&accepted, at)),
                    format!("from {at}: {}", around(&shown, at)),
                ));
            }
        }
        let people = shown.iter().filter(|(name, _)| !self.game.is_bot(name));
        for (player, inputs) in people {
            let found = format!("{} inputs of {player}", inputs.len());
            wrong.push((
                Rule::Doubled,
                "only inputs that the players sent".to_owned(),
                found,
            ));
        }
        if missing > unseen + self.unsettled() {
            let expected = format!("{missing} more acked inputs, of {:?}", self.counts());
            let found = format!("version {}, {unseen} updates unseen", log.top);
            wrong.push((Rule::Lost, expected, found));
        } else if missing < unseen && self.game.is_numbered() {
            // Every update of such a game is an input.
            let expected = format!("as many updates as inputs: {:?}", self.counts());
            let found = format!("version {}", log.top);
            wrong.push((Rule::Doubled, expected, found));
        }
        wrong
    }

    /// Returns the violation of a room whose store went back: its view must count the inputs that were accepted and not
    /// reported as lost. The updates say less, because no observer saw all of them.
    fn check_count(&self, log: &LaneLog) -> Option<(Rule, String, String)> {
        let count = log.last["count"].as_u64()?;
        let accepted: usize = self.counts().values().sum();
        let accepted = accepted as u64;
        let at_least = accepted.saturating_sub(self.unsettled() as u64);
        let rule = match count {
            count if count < at_least => Rule::Lost,
            count if count > accepted => Rule::Doubled,
            _ => return None,
        };
        let expected = format!(
            "the inputs that were not reported as lost: {:?}",
            self.counts()
        );
        Some((rule, expected, format!("{count} inputs")))
    }

    /// The number of inputs that count as accepted, but whose rejects may not have come before the room ended.
    fn unsettled(&self) -> usize {
        self.players.values().map(PlayerLog::unsettled).sum()
    }

    /// The number of accepted inputs of each player.
    fn counts(&self) -> BTreeMap<&str, usize> {
        let players = self.players.iter();
        players
            .map(|(name, inputs)| (name.as_str(), inputs.accepted().len()))
            .collect()
    }
}

/// Returns the index at which `shown` stops being a subsequence of `accepted`.
fn first_out_of_place(shown: &[u64], accepted: &[u64]) -> Option<usize> {
    let mut rest = accepted.iter();
    shown
        .iter()
        .position(|what| !rest.any(|candidate| candidate == what))
}

/// Formats the elements of `list` around index `at`.
fn around(list: &[u64], at: usize) -> String {
    let from = at.saturating_sub(8);
    let to = (at + 8).min(list.len());
    let part = list.get(from..to).unwrap_or_default();
    format!("{part:?} (of {})", list.len())
}
