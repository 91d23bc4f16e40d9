//! `grandstand leaderboard`: asks for ranks.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::Subcommand;
use grandstand_common::bus::BusRole;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::id::{BoardName, PlayerId};
use grandstand_common::leaderboard::{
    Cursor, LeaderboardAnswer, LeaderboardError, LeaderboardErrorCode, LeaderboardPage,
    LeaderboardRequest, Measure,
};

#[cfg(feature = "archive")]
use crate::archive;
use crate::nats::NatsArgs;
use crate::print::{cannot_print, ignore_closed_pipe};
use crate::runtime;

/// The most time for an answer on the bus.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Show a leaderboard of a running archive
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the first ranks
    #[command(after_help = HELP)]
    Top {
        /// Go on after this row: `next` of the page before
        #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
        after: Option<Cursor>,
        #[command(flatten)]
        board: Board,
    },
    /// Show the rank of a player and of those next to it
    #[command(after_help = HELP)]
    Around {
        /// The player
        #[arg(long, value_name = "PLAYER")]
        player: PlayerId,
        #[command(flatten)]
        board: Board,
    },
}

/// The leaderboard.
#[derive(Debug, clap::Args)]
struct Board {
    /// Board that results name, or name of their game
    #[arg(long, value_name = "NAME")]
    board: BoardName,
    /// Season [default: all results of the board]
    #[arg(long, value_name = "NAME")]
    season: Option<BoardName>,
    /// Score by which players are ranked
    #[arg(long, value_enum, default_value_t)]
    by: Measure,
    /// Number of rows, of `around` on each side, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: u32,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    nats: NatsArgs,
    /// Ask this PostgreSQL database instead of the archive
    #[cfg(feature = "archive")]
    #[arg(long, value_name = "URL", conflicts_with_all = ["nats", "config"])]
    postgres: Option<String>,
    /// Ask this SQLite file instead of the archive
    #[cfg(feature = "archive")]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nats", "config", "postgres"])]
    sqlite: Option<std::path::PathBuf>,
}

const HELP: &str = "Exit codes: 0 success, 64 the request is wrong, 66 the player has no result on the leaderboard, 69 no archive answers, or \
                    the database is unavailable";

/// Asks, and prints the answer.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let (board, around, after) = match args.command {
        Command::Top { after, board } => (board, None, after),
        Command::Around { player, board } => (board, Some(player), None),
    };
    let request = LeaderboardRequest {
        board: board.board.clone(),
        season: board.season.clone(),
        by: board.by,
        limit: board.limit,
        around,
        after,
    };
    request.check().map_err(|error| failure(&error))?;
    let page = runtime::block_on(ask(&board, &request))??;
    let printed = print(&page, board.json);
    printed.or_else(ignore_closed_pipe).map_err(cannot_print)
}

async fn ask(board: &Board, request: &LeaderboardRequest) -> Result<LeaderboardPage, Failure> {
    #[cfg(feature = "archive")]
    if let Some(mut leaderboards) =
        archive::leaderboards(board.postgres.as_deref(), board.sqlite.as_deref())?
    {
        let asked = leaderboards.page(request).await;
        return asked.map_err(|error| failure(&error));
    }
    let bus = board.nats.inspect("leaderboard", BusRole::Tool).await?;
    match request.ask(&bus, TIMEOUT).await {
        Ok(LeaderboardAnswer::Page(page)) => Ok(page),
        Ok(LeaderboardAnswer::Error(error)) => Err(failure(&error)),
        Err(error) => Err(Failure::new(Exit::Unavailable, error.to_string())),
    }
}

fn failure(error: &LeaderboardError) -> Failure {
    let exit = match error.code {
        LeaderboardErrorCode::BadRequest => Exit::Usage,
        LeaderboardErrorCode::NoSuchPlayer => Exit::NoInput,
        LeaderboardErrorCode::Unavailable => Exit::Unavailable,
    };
    Failure::new(exit, error.to_string())
}

fn print(page: &LeaderboardPage, is_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if is_json {
        serde_json::to_writer(&mut out, page)?;
        writeln!(out)?;
        return out.flush();
    }
    let head = ["rank", "score", "games", "wins"];
    let row = |cells: [String; 4], player: &str| {
        let [rank, score, games, wins] = cells;
        format!("{rank:>8}  {score:>16}  {games:>7}  {wins:>7}  {player}")
    };
    writeln!(out, "{}", row(head.map(str::to_owned), "player"))?;
    for line in &page.rows {
        let cells = [
            line.rank.to_string(),
            line.score.to_string(),
            line.games.to_string(),
            line.wins.to_string(),
        ];
        writeln!(out, "{}", row(cells, line.player.as_str()))?;
    }
    writeln!(out, "players: {}", page.players)?;
    if let Some(next) = &page.next {
        writeln!(out, "next: --after '{next}'")?;
    }
    out.flush()
}
