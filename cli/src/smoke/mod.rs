//! `grandstand smoke`: plays a short game through a running front, and measures it.

mod target;

mod socket;

mod players;

mod memory;

mod script;

mod session;

mod report;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join3;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::id::RoomId;
use grandstand_game::Games;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::print::{cannot_print, ignore_closed_pipe};
use crate::runtime;
use players::{LoginArgs, Players};
use report::Report;
use script::Script;
use session::{NAMES, Outgoing, Session};
use socket::{Received, Socket};
use target::Target;

/// Play a short game through a running front, and say whether it works
///
/// Two players and a spectator connect as any client does, through whatever is in front of the edges. Both players must
/// get acks, and the spectator must see the end. Prints how long connects, joins, acks and updates took.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Address for clients: ws:// or wss://, with /v1/ws as the path unless there is one
    #[arg(value_name = "URL")]
    url: Target,
    /// Game to play: memory, relay, or one of this program that has a scripted player
    #[arg(long, value_name = "NAME", default_value = "memory")]
    game: String,
    /// Beginning of the name of the room, to which random letters are added [default: GAME-smoke-]
    #[arg(long, value_name = "TEXT")]
    room_prefix: Option<String>,
    #[command(flatten)]
    login: LoginArgs,
    /// PEM file with the authority that signed the certificate of the front, instead of those that the system trusts
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Most time for all of it, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout_s: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

const HELP: &str = "Without a secret and tokens it plays as `smoke-1` and `smoke-2`, which only `grandstand dev` believes.\n\n\
                    Exit codes: 0 the game was played, 1 it was not, or there is no front, 64 wrong command line, 66 a file \
                    cannot be read";

/// Plays, and prints the result.
pub(crate) fn run(args: Args, games: &Games) -> Result<(), Failure> {
    let script = script(&args.game, games)?;
    let room = room(&args)?;
    let players = Players::of(&args.login, &room)?;
    let tls = args
        .url
        .is_tls()
        .then(|| socket::tls(args.ca_file.as_deref()));
    let tls = tls.transpose()?;
    let mut report = Report::new(args.url.to_string(), args.game.clone(), room.to_string());
    let session = Session::new(script, room, players.names.clone());
    let within = Duration::from_secs(args.timeout_s);
    runtime::block_on(drive(&args.url, tls, players, session, within, &mut report))?;
    let text = if args.json {
        let text = serde_json::to_string(&report);
        text.map_err(|e| Failure::new(Exit::Internal, format!("cannot encode the result: {e}")))?
            + "\n"
    } else {
        report.to_string()
    };
    io::stdout()
        .write_all(text.as_bytes())
        .or_else(ignore_closed_pipe)
        .map_err(cannot_print)?;
    match report.failure {
        None => Ok(()),
        Some(why) => Err(Failure::new(Exit::Faults, why)),
    }
}

fn script(game: &str, games: &Games) -> Result<Script, Failure> {
    if let Some(script) = Script::built_in(game) {
        return Ok(script);
    }
    let scripted = games.scripted(game);
    scripted.map(Script::Own).map_err(|error| {
        let text =
            format!("`smoke --game {game}`: {error}; memory and relay can be played as well");
        Failure::new(Exit::Usage, text)
    })
}

fn room(args: &Args) -> Result<RoomId, Failure> {
    let game = &args.game;
    let usage = |text: String| Failure::new(Exit::Usage, text);
    let prefix = args.room_prefix.clone();
    let prefix = prefix.unwrap_or_else(|| format!("{game}-smoke-"));
    let room = format!("{prefix}{:08x}", rand::random::<u32>());
    let room: RoomId = room
        .parse()
        .map_err(|error| usage(format!("--room-prefix {prefix}: the room id {error}")))?;
    if room.game() != game {
        return Err(usage(format!(
            "--room-prefix {prefix}: the name of a room of {game} begins with {game}-"
        )));
    }
    Ok(room)
}

/// Plays until everything has happened, something fails, or the time is over. Fills the report.
async fn drive(
    target: &Target,
    tls: Option<TlsConnector>,
    players: Players,
    mut session: Session,
    within: Duration,
    report: &mut Report,
) {
    let begun = Instant::now();
    let played = timeout(within, play(target, tls.as_ref(), &players, &mut session)).await;
    let failure = match played {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why),
        Err(_) => {
            let seconds = within.as_secs();
            let connected = session.times().connect.len();
            let missing = session.missing().filter(|_| connected > 0);
            let missing = missing.unwrap_or_else(|| format!("{target} has not answered"));
            Some(format!("after {seconds} s {missing}"))
        }
    };
    report.failure = failure.map(|why| match session.trouble() {
        Some(trouble) => format!("{why}; {trouble}"),
        None => why,
    });
    report.ok = report.failure.is_none();
    report.measured(session.times(), begun.elapsed());
}

async fn play(
    target: &Target,
    tls: Option<&TlsConnector>,
    players: &Players,
    session: &mut Session,
) -> Result<(), String> {
    let connect = async |seat: usize| {
        let begun = Instant::now();
        let socket = connect(target, tls, &players.credentials[seat]).await;
        let socket = socket.map_err(|why| format!("{}: {why}", NAMES[seat]))?;
        Ok::<_, String>((socket, begun.elapsed()))
    };
    let (first, second, third) = join3(connect(0), connect(1), connect(2)).await;
    let mut sockets = Vec::new();
    for opened in [first, second, third] {
        let (socket, took) = opened?;
        session.times().connect.push(took);
        sockets.push(socket);
    }
    let Ok([mut first, mut second, mut third]) = <[Socket; 3]>::try_from(sockets) else {
        return Err("three clients are needed".to_owned());
    };
    let mut sending = vec![session.start(Instant::now())];
    loop {
        for Outgoing { seat, message } in sending.drain(..) {
            let socket = match seat {
                0 => &mut first,
                1 => &mut second,
                _ => &mut third,
            };
            let sent = socket.send(&message).await;
            sent.map_err(|why| format!("{}: {why}", NAMES[seat]))?;
        }
        if session.is_done() {
            break;
        }
        let (seat, received) = tokio::select! {
            received = first.next() => (0, received),
            received = second.next() => (1, received),
            received = third.next() => (2, received),
        };
        match received {
            Received::Message(message) => {
                sending = session.handle(seat, &message, Instant::now())?
            }
            Received::End(why) => return Err(format!("{}: {why}", NAMES[seat])),
        }
    }
    join3(first.close(), second.close(), third.close()).await;
    Ok(())
}

/// Connects, and waits for `welcome`.
async fn connect(
    target: &Target,
    tls: Option<&TlsConnector>,
    credentials: &socket::Credentials,
) -> Result<Socket, String> {
    let mut socket = Socket::open(target, tls, credentials).await?;
    match socket.next().await {
        Received::Message(message) if message["type"] == "welcome" => {
            if message["protocol"] != 1 {
                let found = &message["protocol"];
                return Err(format!(
                    "{target} speaks version {found} of the protocol, not 1"
                ));
            }
            Ok(socket)
        }
        Received::Message(message) if message["type"] == "error" => {
            let code = message["code"].as_str().unwrap_or_default();
            let words = message["message"].as_str().unwrap_or_default();
            Err(format!(
                "{target} refuses the client with {code}: {words}; --secret-file or --token says who plays"
            ))
        }
        Received::Message(message) => Err(format!(
            "{target} speaks another protocol: its first message is {}",
            message["type"]
        )),
        Received::End(why) => Err(format!("{target}: {why}")),
    }
}
