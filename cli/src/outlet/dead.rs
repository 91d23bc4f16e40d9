//! `grandstand outlet dead` and `enable`: dead letters, and endpoints that want nothing any more.

use std::io::{self, Write as _};

use clap::Subcommand;
use grandstand_common::bus::{Bucket, Bus, BusError, BusRole, PutError, Read};
use grandstand_common::clock::unix_ms;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::id::Topic;
use grandstand_common::process::config::{Sources, load};
use grandstand_common::supervisor::Supervisor;
use serde_json::{Value, json};

use super::config::OutletConfig;
use super::letter::{ALL, Letter, gone_key, prefix};
use super::store::{Keep, Store, parse};
use crate::print::{cannot_print, ignore_closed_pipe};

/// The commands beside delivering.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at dead letters, which could not be delivered, and send them again or delete them
    Dead {
        #[command(subcommand)]
        command: DeadCommand,
    },
    /// Send items again to an endpoint that has answered with 410 (gone)
    Enable {
        /// Endpoint
        endpoint: Topic,
    },
}

/// The commands for dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    /// List dead letters, a line of JSON for each
    List {
        /// Endpoint whose letters are listed [default: all]
        #[arg(long)]
        endpoint: Option<Topic>,
        /// List those that wait for another attempt as well
        #[arg(long)]
        waiting: bool,
    },
    /// Show letters with their bodies
    Show(Which),
    /// Send dead letters again
    Resend(Which),
    /// Delete dead letters for good
    Drop(Which),
}

/// A dead letter, or all of an endpoint.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Endpoint
    endpoint: Topic,
    /// Id of the item, as `list` shows it; all dead letters of the endpoint if there is none
    #[arg(value_parser = id)]
    id: Option<String>,
}

fn id(text: &str) -> Result<String, String> {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"-/_=.".contains(&b);
    if !text.is_empty() && text.len() <= 128 && text.bytes().all(is_part) {
        Ok(text.to_owned())
    } else {
        Err("an id is what `dead list` shows as \"id\"".to_owned())
    }
}

/// Runs the command on the cluster of a configuration.
pub(super) async fn run(command: Command, sources: Sources) -> Result<(), Failure> {
    let config: OutletConfig = load(&sources)?;
    let supervisor = Supervisor::default();
    let mut options = config.cluster.bus_options("outlet-dead", &supervisor);
    options.role = Some(BusRole::Outlet);
    let bus = Bus::inspect_nats(&config.cluster.url, &options).await?;
    on(&Store::new(bus), command).await
}

/// Runs the command.
pub(super) async fn on(store: &Store, command: Command) -> Result<(), Failure> {
    match command {
        Command::Enable { endpoint } => enable(store, &endpoint).await,
        Command::Dead { command } => match command {
            DeadCommand::List { endpoint, waiting } => {
                let prefix = endpoint.map_or(ALL.to_owned(), |name| prefix(name.as_str()));
                for (letter, _) in letters(store, &prefix).await? {
                    if waiting || letter.next_ms.is_none() {
                        print(&line(&letter))?;
                    }
                }
                Ok(())
            }
            DeadCommand::Show(which) => {
                for (letter, _) in chosen(store, &which).await? {
                    let mut all = line(&letter);
                    all["body"] = serde_json::from_str(&letter.body)
                        .unwrap_or_else(|_| Value::from(letter.body.as_str()));
                    print(&all)?;
                }
                Ok(())
            }
            DeadCommand::Resend(which) => {
                for (mut letter, revision) in chosen(store, &which).await? {
                    letter.attempts = 0;
                    letter.stored_ms = unix_ms();
                    letter.next_ms = Some(unix_ms());
                    let key = letter.key();
                    let put = store.write(&key, &letter, revision, Keep::Forever);
                    changed(&letter, put.await, "resent")?;
                }
                Ok(())
            }
            DeadCommand::Drop(which) => {
                for (letter, revision) in chosen(store, &which).await? {
                    let deleted = store.delete(&letter.key(), revision).await;
                    changed(&letter, deleted, "dropped")?;
                }
                Ok(())
            }
        },
    }
}

async fn enable(store: &Store, endpoint: &Topic) -> Result<(), Failure> {
    let key = gone_key(endpoint.as_str());
    let (since, revision) = store.read::<u64>(&key).await.map_err(unavailable)?;
    if since.is_none() {
        let text = format!("the endpoint {endpoint} has not answered with 410");
        return Err(Failure::new(Exit::NoInput, text));
    }
    let deleted = store.delete(&key, revision).await;
    deleted.map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
    print(&json!({"endpoint": endpoint, "result": "enabled"}))
}

/// The letters whose keys begin with a prefix, with their revisions.
async fn letters(store: &Store, prefix: &str) -> Result<Vec<(Letter, u64)>, Failure> {
    let mut reader = store
        .bus()
        .watch(Bucket::Outlet, prefix)
        .await
        .map_err(unavailable)?;
    let mut found = std::collections::BTreeMap::new();
    loop {
        match reader.next().await {
            Read::Item(entry, _) => {
                let letter = parse::<Letter>(&entry);
                found.insert(entry.key, letter.map(|letter| (letter, entry.revision)));
            }
            Read::Idle => return Ok(found.into_values().flatten().collect()),
            Read::Lost => return Err(Failure::new(Exit::Unavailable, "NATS is away")),
        }
    }
}

/// The letters that are meant.
async fn chosen(store: &Store, which: &Which) -> Result<Vec<(Letter, u64)>, Failure> {
    let mut found = letters(store, &prefix(which.endpoint.as_str())).await?;
    let is_meant = |letter: &Letter| which.id.as_ref().is_none_or(|id| *id == letter.id);
    // One that waits is meant only by its id.
    let is_dead = |letter: &Letter| letter.next_ms.is_none() || which.id.is_some();
    found.retain(|(letter, _)| is_dead(letter) && is_meant(letter));
    if found.is_empty() {
        let endpoint = &which.endpoint;
        let text = match &which.id {
            Some(id) => format!("the endpoint {endpoint} has no letter {id}"),
            None => format!("the endpoint {endpoint} has no dead letters"),
        };
        return Err(Failure::new(Exit::NoInput, text));
    }
    Ok(found)
}

fn line(letter: &Letter) -> Value {
    json!({
        "endpoint": letter.endpoint,
        "id": letter.id,
        "topic": letter.topic,
        "stored_ms": letter.stored_ms,
        "attempts": letter.attempts,
        "failed_ms": letter.failed_ms,
        "next_ms": letter.next_ms,
        "why": letter.why,
    })
}

fn changed(letter: &Letter, put: Result<u64, PutError>, done: &str) -> Result<(), Failure> {
    let (endpoint, id) = (&letter.endpoint, &letter.id);
    put.map_err(|error| Failure::new(Exit::Unavailable, format!("{endpoint} {id}: {error}")))?;
    print(&json!({"endpoint": endpoint, "id": id, "result": done}))
}

fn print(line: &Value) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}")
        .or_else(ignore_closed_pipe)
        .map_err(cannot_print)
}

fn unavailable(error: BusError) -> Failure {
    let exit = match error {
        BusError::Denied { .. } => Exit::Config,
        _ => Exit::Unavailable,
    };
    Failure::new(exit, error.to_string())
}
