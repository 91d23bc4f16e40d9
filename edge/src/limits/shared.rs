//! The limits of a process.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::limits::address;
use crate::limits::budgets::Budgets;
use crate::limits::byte_budget::ByteBudget;
use crate::limits::most_limited::{Limited, MostLimited};
use crate::limits::pressure::Pressure;
use crate::limits::refusal::{Limit, Refused};
use crate::limits::settings::LimitSettings;
use crate::limits::table::{Key, STRIPES, Table};
use crate::time::coarse::CoarseInstant;
use crate::time::token_bucket::{Charge, Rate};

/// The limits of a process. Clones are handles to the same limits.
#[derive(Debug, Clone)]
pub struct SharedLimits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: ArcSwap<LimitSettings>,
    start: Instant,
    connections: AtomicU32,
    pressure: AtomicU8,
    refused: [AtomicU64; Limit::ALL.len()],
    most_limited: MostLimited,
    addresses: Table,
    players: Table,
    player_inputs: Budgets,
    room_inputs: Budgets,
}

impl Default for SharedLimits {
    /// No limits.
    fn default() -> Self {
        let now = tokio::time::Instant::now().into_std();
        Self::new(LimitSettings::default(), now)
    }
}

impl SharedLimits {
    /// Creates the limits of a process. The clock of their budgets starts at `now`.
    pub fn new(settings: LimitSettings, now: Instant) -> Self {
        Self(Arc::new(Shared {
            settings: ArcSwap::from_pointee(settings),
            start: now,
            connections: AtomicU32::new(0),
            pressure: AtomicU8::new(0),
            refused: Default::default(),
            most_limited: MostLimited::default(),
            addresses: Table::new(),
            players: Table::new(),
            player_inputs: Budgets::new(now),
            room_inputs: Budgets::new(now),
        }))
    }

    /// Replaces the settings. Connections that are open stay, also those that a new limit would refuse. A limit of players
    /// that was 0 counts only those that connect afterwards.
    pub fn replace(&self, settings: LimitSettings) {
        self.0.settings.store(Arc::new(settings));
    }

    /// Sets what is shed for lack of memory.
    pub fn set_pressure(&self, pressure: Pressure) {
        self.0.pressure.store(pressure as u8, Ordering::Relaxed);
    }

    /// The load that is shed for lack of memory.
    pub fn pressure(&self) -> Pressure {
        Pressure::from_number(self.0.pressure.load(Ordering::Relaxed))
    }

    /// The connections of the process, handshakes included.
    pub fn connections(&self) -> u32 {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// The addresses and the players that are counted at the moment.
    pub fn counted(&self) -> (usize, usize) {
        (self.0.addresses.len(), self.0.players.len())
    }

    /// The number of times that a limit has refused something.
    pub fn refused(&self, limit: Limit) -> u64 {
        self.0.refused[limit as usize].load(Ordering::Relaxed)
    }

    /// The addresses, players, rooms and connections that were refused most.
    pub fn most_limited(&self) -> Vec<Limited> {
        self.0.most_limited.list()
    }

    /// Removes entries that are not needed any more, of a part of the tables. Each call takes the next part; after
    /// [`Self::SWEEPS`] calls all parts were visited.
    pub fn sweep(&self, call: usize, now: Instant) {
        let settings = self.0.settings.load();
        self.0.player_inputs.sweep(call, now);
        self.0.room_inputs.sweep(call, now);
        let now = self.coarse(now);
        self.0.addresses.sweep(call, address_rate(&settings), now);
        self.0.players.sweep(call, join_rate(&settings), now);
    }

    /// The calls of [`sweep`](Self::sweep) that visit everything.
    pub const SWEEPS: usize = STRIPES;

    /// Counts a connection of the process.
    pub(super) fn begin(&self) -> Result<(), Refused> {
        let most = self.0.settings.load().connections;
        if self.pressure() >= Pressure::Connections {
            return Err(self.refuse(Refused::full(Limit::Memory)));
        }
        let before = self.0.connections.fetch_add(1, Ordering::Relaxed);
        if most > 0 && before >= most {
            self.end();
            return Err(self.refuse(Refused::full(Limit::Connections)));
        }
        Ok(())
    }

    /// Uncounts a connection of the process.
    pub(super) fn end(&self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Charges an address for a handshake, and counts its connection.
    pub(super) fn begin_handshake(&self, address: IpAddr, now: Instant) -> Result<Key, Refused> {
        let settings = self.0.settings.load();
        if settings.exempt.contain(address) {
            return Ok(Key::UNLIMITED);
        }
        let rate = address_rate(&settings);
        let now = self.coarse(now);
        let key = address::key(address);
        self.0
            .addresses
            .with(key, rate, now, |entry| {
                let charge = entry.budget.charge(1, rate, now);
                if charge != Charge::Allowed {
                    return Err(Refused {
                        limit: Limit::AddressHandshakesPerS,
                        retry_after: entry.budget.wait(rate),
                        is_flood: charge == Charge::Exhausted,
                    });
                }
                if is_reached(entry.connections, settings.address_connections) {
                    return Err(Refused::full(Limit::AddressConnections));
                }
                if is_reached(entry.handshakes, settings.address_handshakes) {
                    return Err(Refused::full(Limit::AddressHandshakes));
                }
                entry.connections += 1;
                entry.handshakes += 1;
                Ok(key)
            })
            .map_err(|refused| self.refuse_one(refused, &address))
    }

    /// Uncounts a handshake of an address.
    pub(super) fn end_handshake(&self, key: Key) {
        self.0.addresses.update(key, |entry| {
            entry.handshakes = entry.handshakes.saturating_sub(1);
        });
    }

    /// Uncounts a connection of an address.
    pub(super) fn leave(&self, key: Key) {
        self.0.addresses.update(key, |entry| {
            entry.connections = entry.connections.saturating_sub(1);
        });
    }

    /// Counts a connection of a player.
    ///
    /// # Errors
    /// If the player has as many as the limit allows.
    pub fn enter_player(&self, player: &str, now: Instant) -> Result<(), Refused> {
        let settings = self.0.settings.load();
        if settings.player_connections == 0 {
            return Ok(());
        }
        let key = self.0.players.key_of(player);
        let rate = join_rate(&settings);
        let now = self.coarse(now);
        self.0
            .players
            .with(key, rate, now, |entry| {
                if is_reached(entry.connections, settings.player_connections) {
                    return Err(Refused::full(Limit::PlayerConnections));
                }
                entry.connections += 1;
                Ok(())
            })
            .map_err(|refused| self.refuse_one(refused, &player))
    }

    /// Uncounts a connection of a player.
    pub fn leave_player(&self, player: &str) {
        if self.0.settings.load().player_connections == 0 {
            return;
        }
        let key = self.0.players.key_of(player);
        self.0.players.update(key, |entry| {
            entry.connections = entry.connections.saturating_sub(1);
        });
    }

    /// Charges a player for a join.
    ///
    /// # Errors
    /// If the player joins too fast.
    pub fn charge_join(&self, player: &str, now: Instant) -> Result<(), Refused> {
        let rate = join_rate(&self.0.settings.load());
        if rate.per_s <= 0.0 {
            return Ok(());
        }
        let key = self.0.players.key_of(player);
        let now = self.coarse(now);
        self.0
            .players
            .with(key, rate, now, |entry| {
                match entry.budget.charge(1, rate, now) {
                    Charge::Allowed => Ok(()),
                    charge => Err(Refused {
                        limit: Limit::PlayerJoinsPerS,
                        retry_after: entry.budget.wait(rate),
                        is_flood: charge == Charge::Exhausted,
                    }),
                }
            })
            .map_err(|refused| self.refuse_one(refused, &player))
    }

    /// The bytes of inputs that a player may send, to all rooms and over all connections.
    pub fn player_inputs(&self, player: &str) -> ByteBudget {
        self.0.player_inputs.of(player)
    }

    /// The bytes of inputs that all players may send to a room.
    pub fn room_inputs(&self, room: &str) -> ByteBudget {
        self.0.room_inputs.of(room)
    }

    /// The budgets of inputs.
    #[cfg(test)]
    pub(super) fn input_budgets(&self) -> usize {
        self.0.player_inputs.len() + self.0.room_inputs.len()
    }

    /// Counts what a shard has refused by itself.
    pub fn count_refused(&self, limit: Limit, who: &impl Display) {
        self.0.most_limited.note(limit, who);
        self.0.refused[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the refusal of an address or a player.
    fn refuse_one(&self, refused: Refused, who: &impl Display) -> Refused {
        self.0.most_limited.note(refused.limit, who);
        self.refuse(refused)
    }

    fn refuse(&self, refused: Refused) -> Refused {
        self.0.refused[refused.limit as usize].fetch_add(1, Ordering::Relaxed);
        refused
    }

    fn coarse(&self, at: Instant) -> CoarseInstant {
        let elapsed: Duration = at.saturating_duration_since(self.0.start);
        CoarseInstant::new(elapsed)
    }
}

fn address_rate(settings: &LimitSettings) -> Rate {
    Rate::new(
        settings.address_handshakes_per_s,
        settings.address_handshake_burst,
    )
}

fn join_rate(settings: &LimitSettings) -> Rate {
    Rate::new(settings.player_joins_per_s, settings.player_join_burst)
}

/// Whether a limit is reached; 0 is none.
fn is_reached(count: u32, most: u32) -> bool {
    most > 0 && count >= most
}
