//! `matching`: tickets that a queue matches per second on one core, and what an invitation costs.

use std::hint::black_box;
use std::time::Duration;

use grandstand_common::auth::{Inviter, Signer, SigningConfig};
use grandstand_common::data::Data;
use grandstand_common::id::RoomId;
use grandstand_game::host::{GameInstance, Output};
use grandstand_game::matching::{Backfill, MatchRule, Proposal, Range, Waiting, by_rating};
use grandstand_game::{Event, Games, PlayerId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::error::BenchError;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;

/// The players who wait at a look.
const WAITING: [usize; 3] = [100, 400, 1_000];
/// The milliseconds between two looks.
const LOOK_MS: u64 = 1_000;

/// Matchmaking: tickets matched a second by one queue, by the number of players who wait
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of rounds
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
}

/// Pairs of a similar rating.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Pairs;

#[derive(Debug, Serialize, Deserialize)]
struct Ticket {
    rating: f64,
}

impl MatchRule for Pairs {
    const QUEUE: &'static str = "queue-pairs";
    type Ticket = Ticket;

    fn propose(
        &mut self,
        waiting: &[Waiting<Ticket>],
        _open: &[Backfill],
        now_ms: u64,
    ) -> Vec<Proposal> {
        let range = Range {
            start: 2_000.0,
            per_second: 0.0,
            most: 2_000.0,
        };
        let groups = by_rating(waiting, 2, |ticket| ticket.rating, range, now_ms);
        let new = |players| Proposal::New {
            players,
            game: "memory".to_owned(),
            params: json!({}),
        };
        groups.into_iter().map(new).collect()
    }
}

/// Runs the scenario.
///
/// # Errors
/// If its thread ends, or the queue fails.
pub async fn run(
    options: &Options,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let rounds = options.rounds.max(1);
    let part = Duration::from_secs_f64(common.seconds / (rounds * (WAITING.len() + 1)) as f64);
    progress.phase("measuring");
    let mut reports = Vec::new();
    for round in 0..rounds {
        let measured = tokio::task::spawn_blocking(move || measure(part)).await;
        reports.push(measured.map_err(failed)??);
        progress.step((round + 1) as f64 / rounds as f64, "");
    }
    let mut report = Report::median(&reports.iter().collect::<Vec<_>>());
    report.settings.put("rounds", rounds as u64);
    report.settings.put_number("seconds", common.seconds);
    Ok(Outcome {
        chart: chart(&report),
        report,
    })
}

/// One round.
fn measure(part: Duration) -> Result<Report, BenchError> {
    let mut report = Report::new("matching");
    let figures = &mut report.figures;
    for waiting in WAITING {
        let Matched { per_s, look_ms } = Queue::new(waiting)?.time(part)?;
        figures.put_number(format!("{waiting}_tickets_per_s"), per_s);
        figures.put_number(format!("{waiting}_look_max_ms"), look_ms);
    }
    figures.put_number("invitation_us", invitation_us(part)?);
    Ok(report)
}

/// The cost of matches.
struct Matched {
    /// The tickets that are entered and matched per second.
    per_s: f64,
    /// The longest look, milliseconds: for so long the other rooms of the loop wait.
    look_ms: f64,
}

/// A queue, and the players who enter it again and again.
struct Queue {
    game: GameInstance,
    players: Vec<PlayerId>,
    tickets: Vec<Data>,
    now_ms: u64,
}

impl Queue {
    fn new(waiting: usize) -> Result<Self, BenchError> {
        let mut games = Games::new();
        games.add_queue::<Pairs>();
        let kind = games.get(Pairs::QUEUE);
        let kind = kind.ok_or_else(|| failed("the queue is registered"))?;
        let room: RoomId = Pairs::QUEUE.parse().map_err(failed)?;
        let game = GameInstance::create(kind, &room, &json!({}), [0; 32], 0)
            .map_err(failed)?
            .map_err(|reject| failed(reject.message))?;
        let players = (0..waiting).map(|n| format!("player-{n}").parse().map_err(failed));
        let ticket = |n: usize| {
            // In no order.
            let rating = 1_000 + n * 7_919 % 1_000;
            Data::json(&json!({"op": "enter", "ticket": {"rating": rating}})).map_err(failed)
        };
        Ok(Self {
            game,
            players: players.collect::<Result<_, _>>()?,
            tickets: (0..waiting).map(ticket).collect::<Result<_, _>>()?,
            now_ms: 0,
        })
    }

    /// Measures for `part`: all players enter, and a look matches them.
    fn time(&mut self, part: Duration) -> Result<Matched, BenchError> {
        let begun = Instant::now();
        let (mut matched, mut longest) = (0_usize, Duration::ZERO);
        while begun.elapsed() < part {
            for (player, input) in self.players.iter().zip(&self.tickets) {
                let event = Event::Input { player, input };
                let applied = self.game.apply(self.now_ms, event, &[], |output| {
                    black_box(output);
                });
                if let Some(reject) = applied.map_err(failed)? {
                    return Err(failed(reject.message));
                }
            }
            self.now_ms += LOOK_MS;
            let look = Instant::now();
            let event = Event::Timer { name: "look" };
            let mut invited = 0;
            let applied = self.game.apply(self.now_ms, event, &[], |output| {
                invited += usize::from(matches!(black_box(output), Output::Invite(_)));
            });
            applied.map_err(failed)?;
            longest = longest.max(look.elapsed());
            if invited != self.players.len() {
                return Err(failed(format!("{invited} players are matched")));
            }
            matched += invited;
        }
        Ok(Matched {
            per_s: matched as f64 / begun.elapsed().as_secs_f64(),
            look_ms: longest.as_secs_f64() * 1e3,
        })
    }
}

/// The time that a worker takes to sign an invitation with an Ed25519 key, microseconds.
fn invitation_us(part: Duration) -> Result<f64, BenchError> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(failed)?;
    let signer = Signer::pem(key.serialize_pem().as_bytes()).map_err(failed)?;
    let inviter = Inviter::new(signer, &SigningConfig::default());
    let player: PlayerId = "alice".parse().map_err(failed)?;
    let room: RoomId = "memory-1".parse().map_err(failed)?;
    let params = json!({"rows": 4, "cols": 4});
    let begun = Instant::now();
    let mut count = 0_u64;
    while begun.elapsed() < part {
        black_box(inviter.invite(&player, &room, &Value::Null, Some(&params), count));
        count += 1;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / count as f64)
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::Failed(error.to_string())
}

fn chart(report: &Report) -> Chart {
    let points = WAITING.iter().enumerate();
    let points = points.map(|(at, waiting)| {
        (
            at as f64,
            report.figure(&format!("{waiting}_tickets_per_s")),
        )
    });
    Chart {
        title: "Tickets that a queue matches".to_owned(),
        subtitle: "pairs of a similar rating, on one core".to_owned(),
        panels: vec![Panel {
            x: Axis::Names(WAITING.map(|waiting| format!("{waiting} wait")).to_vec()),
            y: "tickets per second",
            lines: vec![Line::new("queue", points.collect())],
        }],
    }
}
