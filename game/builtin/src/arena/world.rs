//! The field of an arena: discs that roll and collide, and coins.

use std::collections::BTreeMap;

use grandstand_game::{PlayerId, Rng};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// The width of the field.
pub const WIDTH: f32 = 1600.0;
/// The height of the field.
pub const HEIGHT: f32 = 900.0;
/// The radius of a disc.
const DISC: f32 = 32.0;
/// The radius of a coin.
const COIN: f32 = 14.0;
/// The speed to which a control accelerates a disc, per second.
const SPEED: f32 = 520.0;
/// The share of the difference to that speed which a second makes up for, as an exponent.
const GRIP: f32 = 4.0;
/// The share of speed that is left after a wall.
const BOUNCE: f32 = 0.6;

/// The state between two ticks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct World {
    discs: BTreeMap<PlayerId, Disc>,
    coins: Vec<(f32, f32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Disc {
    at: (f32, f32),
    speed: (f32, f32),
}

/// The part of a world that clients see.
#[derive(Debug, Serialize)]
pub(super) struct Frame<'a> {
    tick: u64,
    discs: BTreeMap<&'a PlayerId, [i32; 2]>,
    coins: Vec<[i32; 2]>,
}

impl World {
    pub(super) fn new(coins: usize, rng: &mut Rng) -> Self {
        Self {
            discs: BTreeMap::new(),
            coins: (0..coins).map(|_| place(COIN, rng)).collect(),
        }
    }

    /// Gives a disc to each of `players`, and takes those of others away.
    pub(super) fn keep<'a>(
        &mut self,
        players: impl Iterator<Item = &'a PlayerId> + Clone,
        rng: &mut Rng,
    ) {
        if self.discs.keys().eq(players.clone()) {
            return;
        }
        let mut kept = BTreeMap::new();
        for player in players {
            let disc = self.discs.remove(player).unwrap_or_else(|| Disc {
                at: place(DISC, rng),
                speed: (0.0, 0.0),
            });
            kept.insert(player.clone(), disc);
        }
        self.discs = kept;
    }

    /// Moves the discs for some seconds. `wish` returns the direction in which a player wants to roll.
    pub(super) fn roll(&mut self, seconds: f32, wish: impl Fn(&PlayerId) -> (f32, f32)) {
        let grip = 1.0 - (-GRIP * seconds).exp();
        for (player, disc) in &mut self.discs {
            let (x, y) = direction(wish(player));
            disc.speed.0 += (x * SPEED - disc.speed.0) * grip;
            disc.speed.1 += (y * SPEED - disc.speed.1) * grip;
            disc.at.0 += disc.speed.0 * seconds;
            disc.at.1 += disc.speed.1 * seconds;
        }
        self.collide();
        for disc in self.discs.values_mut() {
            bounce(&mut disc.at.0, &mut disc.speed.0, WIDTH);
            bounce(&mut disc.at.1, &mut disc.speed.1, HEIGHT);
        }
    }

    /// Moves discs apart that overlap, and swaps their speeds along the line between them.
    fn collide(&mut self) {
        let mut rest: Vec<&mut Disc> = self.discs.values_mut().collect();
        while let Some(one) = rest.pop() {
            for other in &mut rest {
                let (dx, dy) = (other.at.0 - one.at.0, other.at.1 - one.at.1);
                let distance = dx.hypot(dy);
                if distance >= 2.0 * DISC {
                    continue;
                }
                let (nx, ny) = if distance > 0.001 {
                    (dx / distance, dy / distance)
                } else {
                    (1.0, 0.0)
                };
                let push = (2.0 * DISC - distance) / 2.0;
                one.at = (one.at.0 - nx * push, one.at.1 - ny * push);
                other.at = (other.at.0 + nx * push, other.at.1 + ny * push);
                let along = |disc: &Disc| disc.speed.0 * nx + disc.speed.1 * ny;
                let gain = along(one) - along(other);
                if gain > 0.0 {
                    one.speed = (one.speed.0 - nx * gain, one.speed.1 - ny * gain);
                    other.speed = (other.speed.0 + nx * gain, other.speed.1 + ny * gain);
                }
            }
        }
    }

    /// Moves each coin that a disc touches to another place. Returns the players who have them, a coin each.
    pub(super) fn collect(&mut self, rng: &mut Rng) -> Vec<PlayerId> {
        let mut collected = Vec::new();
        for coin in &mut self.coins {
            let touches =
                |disc: &Disc| (disc.at.0 - coin.0).hypot(disc.at.1 - coin.1) < DISC + COIN;
            let found = self.discs.iter().find(|(_, disc)| touches(disc));
            if let Some((player, _)) = found {
                collected.push(player.clone());
                *coin = place(COIN, rng);
            }
        }
        collected
    }

    pub(super) fn frame(&self, tick: u64) -> Frame<'_> {
        let rounded = |at: (f32, f32)| [at.0.round() as i32, at.1.round() as i32];
        let discs = self.discs.iter();
        Frame {
            tick,
            discs: discs
                .map(|(player, disc)| (player, rounded(disc.at)))
                .collect(),
            coins: self.coins.iter().copied().map(rounded).collect(),
        }
    }
}

/// A place for something with this radius.
fn place(radius: f32, rng: &mut Rng) -> (f32, f32) {
    (
        rng.random_range(radius..WIDTH - radius),
        rng.random_range(radius..HEIGHT - radius),
    )
}

/// A control as a direction of length 1 at most. One that is no number stands still.
fn direction((x, y): (f32, f32)) -> (f32, f32) {
    if !x.is_finite() || !y.is_finite() {
        return (0.0, 0.0);
    }
    let (x, y) = (x.clamp(-1.0, 1.0), y.clamp(-1.0, 1.0));
    let length = x.hypot(y).max(1.0);
    (x / length, y / length)
}

/// Keeps a coordinate of a disc on the field.
fn bounce(at: &mut f32, speed: &mut f32, size: f32) {
    let inside = at.clamp(DISC, size - DISC);
    if inside != *at {
        *speed *= -BOUNCE;
        *at = inside;
    }
}
