//! `grandstand token`: tokens for development. In production the game's own login service signs them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use grandstand_common::auth::{Claims, Signer, player_name};
use grandstand_common::clock::unix_ms;
use grandstand_common::envelope::Role;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::id::PlayerId;
use serde_json::Value;

/// Create and print a token that admits a player to rooms
///
/// The secret must be the edges' (`auth.secret`, or `grandstand dev --secret`).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Name of the player
    #[arg(long, value_name = "NAME", value_parser = player_name)]
    user: PlayerId,
    /// Room, or prefix of rooms ending in `*`, and the role there; may be repeated, and the longest match applies to a
    /// room
    #[arg(
        long = "room",
        value_name = "ROOM=player|spectator|service",
        required = true
    )]
    rooms: Vec<Rule>,
    /// Options that the game receives with the player's join, as JSON
    #[arg(long, value_name = "JSON", alias = "option", value_parser = json)]
    options: Option<Value>,
    /// Lifetime of the token: 90s, 15m, 1h, 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    ttl: Duration,
    /// Secret that signs the token (visible to other users in the list of processes)
    #[arg(
        long,
        value_name = "TEXT",
        env = "GRANDSTAND_SECRET",
        hide_env_values = true
    )]
    secret: Option<String>,
    /// File with the secret that signs the token; a newline at its end is ignored
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

const EXAMPLE: &str = "Example: grandstand token --user alice --room memory-42=player --room 'memory-*=spectator' \
                       --secret-file secret.txt";

/// A room or prefix, and the player's role there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    pattern: String,
    /// `None` for a service.
    role: Option<Role>,
}

/// An error in an argument.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum ArgError {
    #[error("write a room and a role: memory-42=player or 'memory-*=spectator'")]
    NoRole,
    #[error("a role is `player`, `spectator` or `service`")]
    Role,
    #[error("write a number and a unit: 90s, 15m, 1h, 7d")]
    Ttl,
}

impl FromStr for Rule {
    type Err = ArgError;

    fn from_str(text: &str) -> Result<Self, ArgError> {
        let (pattern, role) = text.split_once('=').ok_or(ArgError::NoRole)?;
        let role = match role {
            "service" => None,
            name => Some(Role::from_name(name).ok_or(ArgError::Role)?),
        };
        Ok(Self {
            pattern: pattern.to_owned(),
            role,
        })
    }
}

fn ttl(text: &str) -> Result<Duration, ArgError> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let found = units.iter().find_map(|(unit, seconds)| {
        let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
        (number > 0).then(|| Duration::from_secs(u64::from(number) * seconds))
    });
    found.ok_or(ArgError::Ttl)
}

fn json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// Prints the token, alone on a line.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let secret = secret(args)?;
    let token = make(args, &secret, unix_ms())?;
    writeln!(std::io::stdout(), "{token}")
        .map_err(|e| Failure::new(Exit::Internal, format!("cannot print the token: {e}")))
}

fn secret(args: &Args) -> Result<Vec<u8>, Failure> {
    if let Some(path) = &args.secret_file {
        return read_secret(path);
    }
    let missing = "no secret to sign with: give --secret-file FILE or --secret TEXT, or set GRANDSTAND_SECRET";
    let secret = args.secret.as_ref();
    let secret = secret.ok_or_else(|| Failure::new(Exit::Usage, missing))?;
    Ok(secret.clone().into_bytes())
}

/// Reads the secret of a file. A newline at its end is ignored.
pub(crate) fn read_secret(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut secret = std::fs::read(path).map_err(|e| {
        let path = path.display();
        Failure::new(
            Exit::NoInput,
            format!("cannot read --secret-file {path}: {e}"),
        )
    })?;
    for end in [b'\n', b'\r'] {
        secret.pop_if(|last| *last == end);
    }
    Ok(secret)
}

fn make(args: &Args, secret: &[u8], now_ms: u64) -> Result<String, Failure> {
    let usage = |text: String| Failure::new(Exit::Usage, text);
    let signer = Signer::hs256(secret).map_err(|e| usage(format!("the secret {e}")))?;
    let now_s = now_ms / 1000;
    let id = format!("{:032x}", rand::random::<u128>());
    let mut claims = Claims::new(args.user.clone(), now_s + args.ttl.as_secs()).issued(now_s, &id);
    for Rule { pattern, role } in &args.rooms {
        let allowed = match role {
            Some(role) => claims.allow(pattern, *role, args.options.clone()),
            None => claims.serve(pattern),
        };
        claims = allowed.map_err(|e| usage(format!("--room: {e}")))?;
    }
    Ok(signer.sign(&claims))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use grandstand_common::auth::{AuthError, Expected, Key, Verifier};

    use super::*;

    const NOW_MS: u64 = 1_767_225_600_000;

    const SECRET: &[u8] = b"a secret for tests only, 32 bytes";

    fn verifier(secret: &[u8]) -> Verifier {
        Verifier::new(vec![Key::secret(secret).unwrap()], Expected::default())
    }

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Result<Args, clap::Error> {
        let line = [&["token", "--user", "alice", "--secret", "s"], line].concat();
        Line::try_parse_from(line).map(|line| line.args)
    }

    #[test]
    fn an_edge_takes_the_token_until_it_ends() {
        let rooms = ["--room", "memory-42=player", "--room", "memory-*=spectator"];
        let args = args(&[&rooms[..], &["--ttl", "15m", "--options", r#"{"team":1}"#]].concat());
        let token = make(&args.unwrap(), SECRET, NOW_MS).unwrap();
        let ours = verifier(SECRET);
        let grants = ours.verify(&token, NOW_MS).unwrap();
        assert_eq!(grants.player().unwrap().as_str(), "alice");
        assert_eq!(grants.expires_ms(), Some(NOW_MS + 15 * 60_000));
        let room = |room: &str| grants.room(&room.parse().unwrap());
        let own = room("memory-42").unwrap();
        assert_eq!(own.role, Role::Player);
        assert_eq!(own.options.unwrap(), r#"{"team":1}"#);
        assert_eq!(room("memory-7").unwrap().role, Role::Spectator);
        assert_eq!(room("relay-1"), None);
        assert!(!grants.serves(&"memory-42".parse().unwrap()));

        let late = ours.verify(&token, NOW_MS + 15 * 60_000);
        assert_eq!(late, Err(AuthError::Expired));
        let other = verifier(&[7; 32]).verify(&token, NOW_MS);
        assert_eq!(other, Err(AuthError::Signature));
    }

    #[test]
    fn a_service_joins_no_room() {
        let args = args(&["--room", "memory-*=service"]).unwrap();
        let token = make(&args, SECRET, NOW_MS).unwrap();
        let grants = verifier(SECRET).verify(&token, NOW_MS).unwrap();
        let room = "memory-1".parse().unwrap();
        assert!(grants.serves(&room) && !grants.serves(&"relay-1".parse().unwrap()));
        assert_eq!(grants.room(&room), None);
    }

    #[test]
    fn wrong_arguments_are_reported() {
        for (line, part) in [
            (&["--room", "memory-42"][..], "memory-42=player"),
            (
                &["--room", "memory-42=king"],
                "`player`, `spectator` or `service`",
            ),
            (&["--room", "a=player", "--ttl", "1"], "90s"),
            (&["--room", "a=player", "--ttl", "0s"], "90s"),
            (&["--room", "a=player", "--options", "{"], "EOF"),
            (&[], "--room"),
        ] {
            let text = args(line).unwrap_err().to_string();
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let bad = args(&["--room", "a.b=player"]).unwrap();
        let short = make(&bad, b"s", NOW_MS).unwrap_err().to_string();
        assert!(short.contains("the secret has 1 bytes"), "{short}");
        let failure = make(&bad, SECRET, NOW_MS).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.to_string().contains("a.b"), "{failure}");
    }

    #[test]
    fn a_secret_file_may_end_with_a_newline() {
        let path = std::env::temp_dir().join(format!("grandstand-secret-{}", std::process::id()));
        for end in ["", "\n", "\r\n"] {
            std::fs::write(&path, format!("a b{end}")).unwrap();
            assert_eq!(read_secret(&path).unwrap(), b"a b");
        }
        std::fs::remove_file(&path).unwrap();
        let failure = read_secret(&path).unwrap_err();
        assert_eq!(failure.exit(), Exit::NoInput);
        assert!(failure.to_string().contains("--secret-file"), "{failure}");
    }
}
