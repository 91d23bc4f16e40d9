//! `grandstand top`: what running processes do, second by second.

mod histogram;

mod exposition;

mod rooms;

mod process;

mod poll;

mod problems;

mod fleet;

mod state;

mod format;

mod detail;

mod draw;

mod screen;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use grandstand_common::exit::{Exit, Failure};
use grandstand_common::supervisor::Supervisor;
use tokio::time::{Instant, sleep_until};

use crate::admin::AdminUrl;
use crate::print::{cannot_print, ignore_closed_pipe};
use crate::runtime;
use crate::token::read_secret;
use fleet::Fleet;
use poll::poll;
use screen::Screen;
use state::{State, Wish};

/// The admin ports that are asked if none is named: those of the default configurations.
const DEFAULTS: [&str; 2] = ["http://127.0.0.1:8081", "http://127.0.0.1:8082"];
/// The time between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// Show what running edges and workers do, second by second
///
/// Asks their admin ports for metrics, readiness and rooms. Shows the fleet, each process, the busiest rooms, latency over
/// time, and what is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Admin port of a process; may be repeated [default: http://127.0.0.1:8081 and 8082, whichever answer]
    #[arg(long, value_name = "URL")]
    admin: Vec<AdminUrl>,
    /// Token of the admin API (`edge.admin_token`, `worker.admin_token`), for the list of rooms
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GRANDSTAND_ADMIN_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// File with this token; a newline at its end is ignored
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print one screen as text, after a second, and end
    #[arg(long)]
    once: bool,
    /// Columns of this text
    #[arg(long, value_name = "N", default_value_t = 80, requires = "once", value_parser = clap::value_parser!(u16).range(40..=400))]
    width: u16,
    /// Lines of this text
    #[arg(long, value_name = "N", default_value_t = 24, requires = "once", value_parser = clap::value_parser!(u16).range(12..=400))]
    height: u16,
}

const HELP: &str = "Keys: q quit, ? all keys; the mouse works, too.\n\nExit codes: 0 done, 64 wrong command line, or no terminal and no \
                    --once, 66 the file of the token cannot be read, 69 no process answers";

/// Shows it until the user ends it.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    if !args.once && !is_terminal {
        let text = "this is no terminal: --once prints one screen as text";
        return Err(Failure::new(Exit::Usage, text));
    }
    let token = match &args.token_file {
        Some(file) => Some(read_token(file)?),
        None => args.token.clone(),
    };
    runtime::block_on(drive(args, token))?
}

fn read_token(file: &std::path::Path) -> Result<String, Failure> {
    let secret = read_secret(file).map_err(|failure| {
        Failure::new(
            failure.exit(),
            failure.to_string().replace("--secret-file", "--token-file"),
        )
    })?;
    String::from_utf8(secret).map_err(|_| {
        let file = file.display();
        Failure::new(Exit::NoInput, format!("--token-file {file} is not UTF-8"))
    })
}

async fn drive(args: Args, token: Option<String>) -> Result<(), Failure> {
    let is_default = args.admin.is_empty();
    let urls = if is_default {
        DEFAULTS.iter().filter_map(|url| url.parse().ok()).collect()
    } else {
        args.admin
    };
    let mut fleet = Fleet::new(urls);
    let begun = Instant::now();
    look(&mut fleet, token.as_deref()).await;
    if !fleet.is_any_up() {
        return Err(absent(&fleet, is_default));
    }
    if is_default {
        fleet.forget_absent();
    }
    if !args.once {
        return watch(fleet, token).await;
    }
    // Rates need two looks.
    sleep_until(begun + PERIOD).await;
    look(&mut fleet, token.as_deref()).await;
    let text = screen::text(&fleet, &mut State::default(), args.width, args.height);
    let text = text.map_err(cannot_print)?;
    io::stdout()
        .write_all(text.as_bytes())
        .or_else(ignore_closed_pipe)
        .map_err(cannot_print)
}

async fn look(fleet: &mut Fleet, token: Option<&str>) {
    let urls = fleet.processes.iter().map(|process| process.url.clone());
    let readings = poll(urls.collect(), token).await;
    fleet.take(readings);
}

/// No process has answered.
fn absent(fleet: &Fleet, is_default: bool) -> Failure {
    let why = fleet.processes.iter().filter_map(|one| one.failure.clone());
    let mut text = why.collect::<Vec<_>>().join("\n");
    if is_default {
        text += "\n--admin URL names the admin port of a process elsewhere";
    }
    Failure::new(Exit::Unavailable, text)
}

/// Draws until the user or a signal ends it. While processes are asked, keys work.
async fn watch(mut fleet: Fleet, token: Option<String>) -> Result<(), Failure> {
    let mut signals = runtime::signals()?;
    let supervisor = Supervisor::default();
    let mut screen = Screen::open().map_err(no_terminal)?;
    let mut events = screen::events(&supervisor).map_err(no_terminal)?;
    let mut state = State::default();
    loop {
        screen.draw(&fleet, &mut state).map_err(no_terminal)?;
        let next = Instant::now() + PERIOD;
        let urls: Vec<_> = fleet.processes.iter().map(|one| one.url.clone()).collect();
        let token = token.as_deref();
        let polling = async {
            sleep_until(next).await;
            poll(urls, token).await
        };
        let mut polling = std::pin::pin!(polling);
        let readings = loop {
            tokio::select! {
                readings = &mut polling => break readings,
                _ = signals.next() => return Ok(()),
                event = events.recv() => match event.map(|event| state.handle(&event)) {
                    None | Some(Wish::Quit) => return Ok(()),
                    Some(Wish::Draw) => screen.draw(&fleet, &mut state).map_err(no_terminal)?,
                    Some(Wish::Nothing) => {}
                },
            }
        };
        if !state.is_paused {
            fleet.take(readings);
        }
    }
}

fn no_terminal(why: io::Error) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("the terminal cannot be used: {why}; --once prints one screen as text"),
    )
}
