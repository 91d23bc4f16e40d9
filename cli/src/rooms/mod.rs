//! `grandstand rooms`: looks at the rooms of a running cluster, and changes them.

mod owners;

mod list;

mod change;

use std::path::PathBuf;

use clap::Subcommand;
use grandstand_common::bus::BusRole;
use grandstand_common::exit::Failure;
use grandstand_common::id::{PlayerId, RoomId, Topic};
use grandstand_common::wire::is_code;
use serde_json::Value;

use crate::nats::NatsArgs;
use crate::runtime;
use change::Change;
use list::ListArgs;
use owners::Owners;

/// Look at the rooms of a running cluster, and change them
///
/// Owners of rooms are asked over NATS. What changes a room is an entry of its log, so that it survives every process; the
/// command waits until the room has processed it.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    /// NATS servers, separated by commas [default: those of --config, or nats://127.0.0.1:4222]
    #[arg(long, value_name = "URL", global = true)]
    nats: Option<String>,
    /// Configuration file of a worker, with the addresses and credentials of NATS
    #[arg(
        long,
        value_name = "FILE",
        env = "GRANDSTAND_WORKER_CONFIG",
        global = true
    )]
    config: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

const HELP: &str = "Exit codes: 0 done, 64 a wrong argument, or nothing that can be done with this room, 66 there is no such room \
                    or cluster, 69 NATS is unavailable, or an owner does not answer, 78 NATS refuses the login or denies a \
                    permission";

#[derive(Debug, Subcommand)]
enum Command {
    /// List rooms, with the numbers of their players and spectators
    List(ListArgs),
    /// Show a room
    Show {
        /// Room, for example memory-42
        room: RoomId,
    },
    /// Send a message to the game of a room
    Send {
        /// Room
        room: RoomId,
        /// Topic: letters, digits, `_` and `-`
        topic: Topic,
        /// Data for the game, as JSON
        #[arg(default_value = "null", value_parser = json)]
        data: Value,
        /// Id of the message: a room drops one whose id it has seen [default: a random one]
        #[arg(long, value_parser = message_id)]
        id: Option<String>,
    },
    /// Take a player out of a room
    Kick {
        /// Room
        room: RoomId,
        /// Player
        player: PlayerId,
        /// Reason that the client gets: a word of letters, digits and `_`
        #[arg(long, default_value = "kicked", value_parser = code)]
        code: String,
    },
    /// End a room: it takes no more inputs, can be read for a minute, and is then deleted
    Close {
        /// Room
        room: RoomId,
    },
    /// Run a room in quarantine again
    Retry {
        /// Room
        room: RoomId,
    },
    /// Delete a room that does not run, for good
    Drop {
        /// Room
        room: RoomId,
    },
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("not JSON: {error}; a text has quotes: '\"hello\"'"))
}

fn code(text: &str) -> Result<String, String> {
    if is_code(text) {
        Ok(text.to_owned())
    } else {
        Err(
            "a code is a word of a-z, 0-9 and _ with at most 32 bytes, and begins with a letter"
                .to_owned(),
        )
    }
}

fn message_id(text: &str) -> Result<String, String> {
    if (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("an id has 1 to 128 printable characters without spaces".to_owned())
    }
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    runtime::block_on(drive(args))?
}

async fn drive(args: Args) -> Result<(), Failure> {
    let nats = NatsArgs::of(args.nats, args.config);
    let bus = nats.inspect("rooms", BusRole::Operator).await?;
    let owners = Owners::new(bus);
    let (room, change) = match args.command {
        Command::List(wanted) => {
            return list::list(&owners, &wanted, args.json).await;
        }
        Command::Show { room } => return list::show(&owners, &room, args.json).await,
        Command::Send {
            room,
            topic,
            data,
            id,
        } => (room, Change::Send { topic, data, id }),
        Command::Kick { room, player, code } => (room, Change::Kick { player, code }),
        Command::Close { room } => (room, Change::Close),
        Command::Retry { room } => (room, Change::Retry),
        Command::Drop { room } => (room, Change::Drop),
    };
    change::apply(&owners, &room, change, args.json).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_arguments_say_what_is_right() {
        assert!(json("hello").unwrap_err().contains("quotes"));
        assert_eq!(json("[1]").unwrap(), serde_json::json!([1]));
        assert!(code("Too Slow").unwrap_err().contains("a-z"));
        assert!(code("afk").is_ok());
        assert!(message_id("").is_err() && message_id("a b").is_err());
        assert!(message_id("7f3a.1").is_ok());
    }
}
