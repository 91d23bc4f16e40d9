//! The watched rooms: probes, which show a pause to within their short interval, and the others.

use super::options::Options;
use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::host::servers::Servers;
use crate::load::job::{Command, Job, LoadRole, Pauses, Rooms};
use crate::load::remote::Load;
use crate::load::tally::Tally;
use crate::progress::Progress;
use crate::scenario::jobs::job;

/// Two loads with separate rates.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) probes: Load,
    pub(super) others: Load,
}

impl Watched {
    /// Connects all players.
    pub(super) async fn start(
        options: &Options,
        servers: &Servers,
        progress: &mut Progress,
    ) -> Result<Self, BenchError> {
        progress.phase("connecting");
        let (probes, others) = options.parted();
        let players = |prefix: &str, rooms: u32, first_player| Job {
            rooms: Rooms {
                prefix: prefix.to_owned(),
                each: 2,
                per_connection: 1,
            },
            first_player,
            size: 64,
            ..job(
                servers.address(),
                LoadRole::Player,
                rooms * 2,
                Cores::SHARED,
            )
        };
        let mut watched = Self {
            probes: Load::start(&players("relay-probe-", probes, 0)).await?,
            others: Load::start(&players("relay-pause-", others, probes * 2)).await?,
        };
        for load in watched.loads() {
            load.wait_connected(progress).await?;
        }
        Ok(watched)
    }

    /// Starts the inputs.
    pub(super) async fn play(&mut self, options: &Options) -> Result<(), BenchError> {
        let probing = Command::Rate(options.probe_rate());
        self.probes.tell(probing).await?;
        self.others.tell(Command::Rate(options.rate)).await
    }

    /// Sends a command to both loads.
    pub(super) async fn tell(&mut self, command: Command) -> Result<(), BenchError> {
        for load in self.loads() {
            load.tell(command).await?;
        }
        Ok(())
    }

    /// The pauses of the probes and of the other rooms.
    pub(super) async fn pauses(&mut self) -> Result<(Pauses, Pauses), BenchError> {
        Ok((self.probes.pauses().await?, self.others.pauses().await?))
    }

    /// The counts of both loads.
    pub(super) async fn collect(&mut self) -> Result<Tally, BenchError> {
        let mut sum = Tally::default();
        for load in self.loads() {
            sum.add(&load.collect().await?);
        }
        Ok(sum)
    }

    pub(super) fn loads(&mut self) -> [&mut Load; 2] {
        [&mut self.probes, &mut self.others]
    }
}
