//! Runs attacks until they are stopped.

use std::net::Ipv4Addr;

use tokio::task::{JoinHandle, JoinSet};

use super::amplification;
use super::attack::Attack;
use super::attacker::{Attacker, Target};
use super::connections;
use super::end::{End, Ends};
use super::floods;
use super::renegotiation;
use crate::site::{everywhere, token};

/// The handshakes at a time of a client that does nothing else.
const RECONNECTS: usize = 16;

/// An attack that continues until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    attack: Attack,
    attacker: Attacker,
    task: JoinHandle<()>,
}

impl Running {
    /// Its kind.
    pub fn attack(&self) -> Attack {
        self.attack
    }

    /// The ends that the attacker has got so far.
    pub fn ends(&self) -> Ends {
        self.attacker.ends()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts an attack, from an address of its own: 127.1.0.1, 127.1.0.2 and so on, by its kind.
pub fn start(attack: Attack, target: Target) -> Running {
    let from = Ipv4Addr::new(127, 1, 0, attack as u8 + 1);
    let token = token(attack.name(), 3600, &everywhere());
    let attacker = Attacker::new(target, from, token);
    let running = attacker.clone();
    let task = tokio::spawn(async move {
        match attack {
            Attack::Slowloris | Attack::HalfOpen | Attack::Silent | Attack::Vanished => {
                connections::hold(attacker, attack).await;
            }
            Attack::Reconnects => {
                let mut at_once = JoinSet::new();
                for _ in 0..RECONNECTS {
                    at_once.spawn(repeat(attacker.clone(), attack));
                }
                at_once.join_all().await;
            }
            _ => repeat(attacker, attack).await,
        }
    });
    Running {
        attack,
        attacker: running,
        task,
    }
}

/// Attacks with one connection after the other, forever.
async fn repeat(attacker: Attacker, attack: Attack) {
    loop {
        let end = match attack {
            Attack::Reconnects => connections::reconnect(&attacker).await,
            Attack::NeverReads => connections::never_reads(&attacker).await,
            Attack::TlsGarbage => connections::tls_garbage(&attacker).await,
            Attack::Renegotiation => renegotiation::renegotiate(&attacker).await,
            Attack::Amplification => amplification::amplify(&attacker).await,
            Attack::AlgNone => connections::alg_none(&attacker).await,
            _ => floods::flood(&attacker, attack).await,
        };
        attacker.ended(end);
        if attack != Attack::Reconnects || end == End::Closed {
            attacker.rest().await;
        }
    }
}
