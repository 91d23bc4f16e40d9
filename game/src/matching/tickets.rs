//! The tickets of a queue: those that can be matched, and those that cannot yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use grandstand_types::id::PlayerId;
use serde::{Deserialize, Serialize};

use super::rule::Waiting;

/// The tickets of a queue. Each player has at most one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(from = "Stored<T>", bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Tickets<T> {
    /// The number of tickets so far.
    last: u64,
    /// The bytes of all tickets.
    bytes: usize,
    /// The tickets that can be matched, by their numbers.
    ready: Vec<Waiting<T>>,
    /// The others, by their numbers.
    held: BTreeMap<u64, Held<T>>,
    /// The ticket of each player.
    #[serde(skip)]
    numbers: HashMap<PlayerId, u64>,
}

/// The stored part of [`Tickets`].
#[derive(Deserialize)]
struct Stored<T> {
    last: u64,
    bytes: usize,
    ready: Vec<Waiting<T>>,
    held: BTreeMap<u64, Held<T>>,
}

impl<T> From<Stored<T>> for Tickets<T> {
    fn from(stored: Stored<T>) -> Self {
        let Stored {
            last,
            bytes,
            ready,
            held,
        } = stored;
        let all = ready.iter().chain(held.values().map(|held| &held.waiting));
        let numbers = all.flat_map(|waiting| {
            let players = waiting.players.iter();
            players.map(|player| (player.clone(), waiting.number))
        });
        Self {
            numbers: numbers.collect(),
            last,
            bytes,
            ready,
            held,
        }
    }
}

/// A ticket that cannot be matched yet.
#[derive(Debug, Serialize, Deserialize)]
struct Held<T> {
    waiting: Waiting<T>,
    /// The members of the party who have not accepted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    asked: BTreeSet<PlayerId>,
    /// The players who are not connected, each with the time of the loss, Unix milliseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    lost: BTreeMap<PlayerId, u64>,
}

impl<T> Default for Tickets<T> {
    fn default() -> Self {
        Self {
            last: 0,
            bytes: 0,
            ready: Vec::new(),
            held: BTreeMap::new(),
            numbers: HashMap::new(),
        }
    }
}

impl<T> Tickets<T> {
    /// The tickets that can be matched, the oldest first.
    pub(super) fn ready(&self) -> &[Waiting<T>] {
        &self.ready
    }

    /// The number of players with a ticket.
    pub(super) fn players(&self) -> usize {
        self.numbers.len()
    }

    /// The bytes of all tickets.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.held.is_empty()
    }

    pub(super) fn has(&self, player: &PlayerId) -> bool {
        self.numbers.contains_key(player)
    }

    /// The time since which the ticket of a player waits, Unix milliseconds, and the members of its party who have not
    /// accepted.
    pub(super) fn of(&self, player: &PlayerId) -> Option<(u64, Vec<&PlayerId>)> {
        let number = self.numbers.get(player)?;
        if let Some(held) = self.held.get(number) {
            return Some((held.waiting.since_ms, held.asked.iter().collect()));
        }
        let at = self.place(*number).ok()?;
        Some((self.ready[at].since_ms, Vec::new()))
    }

    /// Adds a ticket of a player, which waits for the members of the party to accept.
    pub(super) fn enter(
        &mut self,
        player: &PlayerId,
        ticket: T,
        party: BTreeSet<PlayerId>,
        bytes: usize,
        since_ms: u64,
    ) {
        self.last += 1;
        self.bytes += bytes;
        let waiting = Waiting {
            number: self.last,
            bytes,
            players: vec![player.clone()],
            ticket,
            since_ms,
        };
        self.numbers.insert(player.clone(), self.last);
        let lost = BTreeMap::new();
        self.settle(Held {
            waiting,
            asked: party,
            lost,
        });
    }

    /// Adds a player to the party of the ticket of `leader`. Returns whether the party has asked for it.
    pub(super) fn accept(&mut self, player: &PlayerId, leader: &PlayerId) -> bool {
        let Some(number) = self.numbers.get(leader).copied() else {
            return false;
        };
        let Some(held) = self.held.get_mut(&number) else {
            return false;
        };
        if held.waiting.players[0] != *leader || !held.asked.remove(player) {
            return false;
        }
        held.waiting.players.push(player.clone());
        self.numbers.insert(player.clone(), number);
        self.change(number, |_| {});
        true
    }

    /// Notes that a player is not connected, or is again.
    pub(super) fn lose(&mut self, player: &PlayerId, lost_ms: Option<u64>) {
        let Some(number) = self.numbers.get(player).copied() else {
            return;
        };
        if let (Ok(at), Some(_)) = (self.place(number), lost_ms) {
            let waiting = self.ready.remove(at);
            let held = Held {
                waiting,
                asked: BTreeSet::new(),
                lost: BTreeMap::new(),
            };
            self.held.insert(number, held);
        }
        self.change(number, |held| {
            match lost_ms {
                Some(lost_ms) => held.lost.insert(player.clone(), lost_ms),
                None => held.lost.remove(player),
            };
        });
    }

    /// Removes the ticket of a player. Returns its players, and the invited ones.
    pub(super) fn withdraw(&mut self, player: &PlayerId) -> Vec<PlayerId> {
        let Some(number) = self.numbers.get(player).copied() else {
            return Vec::new();
        };
        let (waiting, asked) = match self.held.remove(&number) {
            Some(held) => (held.waiting, held.asked),
            None => match self.place(number) {
                Ok(at) => (self.ready.remove(at), BTreeSet::new()),
                Err(_) => return Vec::new(),
            },
        };
        self.bytes -= waiting.bytes;
        let players = waiting.players;
        for player in &players {
            self.numbers.remove(player);
        }
        players.into_iter().chain(asked).collect()
    }

    /// Removes the tickets that are older than `oldest_ms`, and those of players who were lost before `lost_ms`, Unix
    /// milliseconds. Returns the players.
    pub(super) fn expire(&mut self, oldest_ms: u64, lost_ms: u64) -> Vec<PlayerId> {
        // Tickets that come from another room of the queue are older than their numbers.
        let is_old = |waiting: &mut Waiting<T>| waiting.since_ms < oldest_ms;
        let mut gone: Vec<_> = self.ready.extract_if(.., is_old).collect();
        let is_gone = |held: &Held<T>| {
            held.waiting.since_ms < oldest_ms || held.lost.values().any(|at| *at < lost_ms)
        };
        let held = self.held.iter().filter(|(_, held)| is_gone(held));
        let numbers: Vec<_> = held.map(|(number, _)| *number).collect();
        let held = numbers.iter().filter_map(|number| self.held.remove(number));
        gone.extend(held.map(|held| held.waiting));
        let mut players = Vec::new();
        for waiting in gone {
            self.bytes -= waiting.bytes;
            players.extend(waiting.players);
        }
        for player in &players {
            self.numbers.remove(player);
        }
        players
    }

    /// Removes the tickets of single players that can be matched.
    pub(super) fn take_singles(&mut self) -> Vec<Waiting<T>> {
        let is_single = |waiting: &mut Waiting<T>| waiting.players.len() == 1;
        let taken: Vec<_> = self.ready.extract_if(.., is_single).collect();
        for waiting in &taken {
            self.bytes -= waiting.bytes;
            self.numbers.remove(&waiting.players[0]);
        }
        taken
    }

    /// Removes the tickets of the players of a match, if they [are free](Self::are_free). Returns whether they are.
    pub(super) fn take(&mut self, players: &[PlayerId]) -> bool {
        let are_free = self.are_free(players);
        if are_free {
            for player in players {
                self.numbers.remove(player);
            }
        }
        are_free
    }

    /// Whether the players are whole parties that can be matched, each named once.
    pub(super) fn are_free(&self, players: &[PlayerId]) -> bool {
        let mut numbers = BTreeMap::<u64, usize>::new();
        for player in players {
            let Some(number) = self.numbers.get(player) else {
                return false;
            };
            *numbers.entry(*number).or_default() += 1;
        }
        let distinct = players.iter().collect::<BTreeSet<_>>().len() == players.len();
        let are_whole = numbers.iter().all(|(number, count)| {
            let at = self.place(*number);
            at.is_ok_and(|at| self.ready[at].players.len() == *count)
        });
        distinct && are_whole && !players.is_empty()
    }

    /// Removes what [`take`](Self::take) has taken from those that can be matched. Call it after the last one.
    pub(super) fn sweep(&mut self) {
        let (numbers, bytes) = (&self.numbers, &mut self.bytes);
        self.ready.retain(|waiting| {
            let is_there = numbers.get(&waiting.players[0]) == Some(&waiting.number);
            if !is_there {
                *bytes -= waiting.bytes;
            }
            is_there
        });
    }

    fn place(&self, number: u64) -> Result<usize, usize> {
        self.ready
            .binary_search_by_key(&number, |waiting| waiting.number)
    }

    fn change(&mut self, number: u64, change: impl FnOnce(&mut Held<T>)) {
        if let Some(mut held) = self.held.remove(&number) {
            change(&mut held);
            self.settle(held);
        }
    }

    /// Puts a ticket where it belongs.
    fn settle(&mut self, held: Held<T>) {
        let number = held.waiting.number;
        if !held.asked.is_empty() || !held.lost.is_empty() {
            self.held.insert(number, held);
        } else if let Err(at) = self.place(number) {
            self.ready.insert(at, held.waiting);
        }
    }
}
