//! Questions to the owners of partitions, and the answers.

use std::time::Duration;

use grandstand_common::bus::{Bus, BusError, RequestError};
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::id::{Partition, RoomId};
use grandstand_common::listing::Listing;
use grandstand_common::subject;
use grandstand_common::wire::{OperatorReply, OperatorRequest, OperatorWant};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

/// The time that an owner has for an answer.
const ANSWER: Duration = Duration::from_secs(2);
/// The time for which a question is repeated: a partition that moves has a new owner within it.
const PATIENCE: Duration = Duration::from_secs(6);
/// The pause before a question is repeated.
const PAUSE: Duration = Duration::from_millis(200);

/// A room, as its owner describes it. The fields that are printed are typed; `--json` prints all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Room {
    pub(super) room: String,
    pub(super) partition: u16,
    pub(super) epoch: u64,
    pub(super) state: String,
    pub(super) instance: Option<String>,
    pub(super) code: Option<String>,
    pub(super) players: u64,
    pub(super) spectators: u64,
    pub(super) edges: u64,
    pub(super) is_hot: bool,
    pub(super) last: Option<u64>,
    pub(super) unacked: u64,
    pub(super) is_waiting: bool,
    /// Its entry in lobbies.
    #[serde(default)]
    pub(super) listing: Option<Listing>,
}

/// The owners of a cluster's partitions.
#[derive(Debug)]
pub(super) struct Owners {
    bus: Bus,
}

impl Owners {
    pub(super) fn new(bus: Bus) -> Self {
        Self { bus }
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    pub(super) fn partition_of(&self, room: &RoomId) -> Partition {
        self.bus.layout().partition_of(room)
    }

    /// Asks the owner of a partition. Repeats the question while there is none, or it is not ready.
    pub(super) async fn ask(
        &self,
        partition: Partition,
        want: OperatorWant,
    ) -> Result<OperatorReply, Failure> {
        let request = OperatorRequest { want: Some(want) }.encode_to_vec();
        let until = Instant::now() + PATIENCE;
        loop {
            let subject = subject::ctl(partition);
            let asked = self.bus.request(subject, request.clone().into(), ANSWER);
            let why = match asked.await {
                Ok(answer) => match OperatorReply::decode(answer) {
                    Ok(reply) if reply.code == "not_ready" => reply.message,
                    Ok(reply) => return Ok(reply),
                    Err(_) => "its owner's answer cannot be read".to_owned(),
                },
                Err(RequestError::NotSent(error)) => return Err(not_sent(error.into())),
                Err(RequestError::NoResponders) => {
                    "it has no owner: are workers running?".to_owned()
                }
                Err(RequestError::Timeout) => {
                    "its owner does not answer: is it of an earlier version?".to_owned()
                }
                Err(error) => error.to_string(),
            };
            if Instant::now() >= until {
                let text = format!("partition {partition}: {why}");
                return Err(Failure::new(Exit::Unavailable, text));
            }
            sleep(PAUSE).await;
        }
    }

    /// Returns a room, or why there is none.
    pub(super) async fn show(&self, room: &RoomId) -> Result<Room, Failure> {
        let want = OperatorWant::Show(room.to_string());
        let reply = self.ask(self.partition_of(room), want).await?;
        let reply = accepted(room, reply)?;
        let found = rooms(&reply)?.into_iter().next();
        found.ok_or_else(|| Failure::new(Exit::Internal, "the owner's answer has no room"))
    }

    /// Waits until a room runs that was in quarantine.
    pub(super) async fn until_running(&self, room: &RoomId) -> Result<(), Failure> {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = self.show(room).await?;
            if let Some(code) = found.code {
                let text = format!(
                    "{room} is in quarantine again ({code}); the log of its worker has the reason"
                );
                return Err(Failure::new(Exit::Usage, text));
            }
            if found.last.is_some() && !found.is_waiting {
                return Ok(());
            }
            if Instant::now() >= until {
                let text = format!("{room} is still being loaded; look at it with `rooms show`");
                return Err(Failure::new(Exit::Unavailable, text));
            }
            sleep(PAUSE).await;
        }
    }

    /// Waits until a room in memory has processed an entry. A room that is gone or does not run any more has.
    pub(super) async fn until_processed(&self, room: &RoomId, seq: u64) -> Result<(), Failure> {
        let until = Instant::now() + PATIENCE;
        let processed = async {
            loop {
                match self.show(room).await {
                    Ok(found) if found.last.is_some_and(|last| last >= seq) => return Ok(()),
                    Ok(found) if found.is_waiting => {
                        let why = "the room waits until what it has sent out is acked";
                        return Err(not_processed(room, seq, why));
                    }
                    Ok(found) if found.code.is_some() => {
                        return Err(not_processed(room, seq, "the room does not run"));
                    }
                    Ok(_) => {}
                    Err(failure) if failure.exit() == Exit::NoInput => return Ok(()),
                    Err(failure) => return Err(failure),
                }
                sleep(PAUSE).await;
            }
        };
        let late = || not_processed(room, seq, "the room has not read it yet");
        timeout_at(until, processed)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

fn not_processed(room: &RoomId, seq: u64, why: &str) -> Failure {
    let text = format!("{room}: entry {seq} is stored and will be processed, but {why}");
    Failure::new(Exit::Unavailable, text)
}

fn not_sent(error: BusError) -> Failure {
    let exit = match error {
        BusError::Denied { .. } => Exit::Config,
        _ => Exit::Unavailable,
    };
    Failure::new(exit, error.to_string())
}

/// The reply of an owner that does what it was asked to do; otherwise why not.
pub(super) fn accepted(room: &RoomId, reply: OperatorReply) -> Result<OperatorReply, Failure> {
    let exit = match reply.code.as_str() {
        "" => return Ok(reply),
        "no_such_room" => Exit::NoInput,
        "busy" => Exit::Unavailable,
        _ => Exit::Usage,
    };
    Err(Failure::new(exit, format!("{room}: {}", reply.message)))
}

/// The rooms of a reply.
pub(super) fn rooms(reply: &OperatorReply) -> Result<Vec<Room>, Failure> {
    let parse = |text: &bytes::Bytes| serde_json::from_slice(text);
    let rooms: Result<Vec<Room>, _> = reply.rooms.iter().map(parse).collect();
    rooms.map_err(|error| {
        let text = format!("an owner's answer cannot be read ({error}): is it of another version?");
        Failure::new(Exit::Unavailable, text)
    })
}
