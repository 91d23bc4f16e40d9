//! The clients of a smoke test: their names and credentials.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grandstand_common::auth::{Claims, Signer};
use grandstand_common::clock::unix_ms;
use grandstand_common::envelope::Role;
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::id::{PlayerId, RoomId};
use serde_json::Value;

use super::session::SEATS;
use super::socket::Credentials;
use crate::token::read_secret;

/// The lifetime of a signed token, seconds.
const TTL_S: u64 = 120;

/// The identity of the clients.
#[derive(Debug, clap::Args)]
pub(super) struct LoginArgs {
    /// Token of a client; given three times for two players and a spectator, or twice if spectators need none
    #[arg(long = "token", value_name = "TOKEN")]
    tokens: Vec<String>,
    /// Secret with which tokens are signed (`auth.secret` of the edges)
    #[arg(
        long,
        value_name = "TEXT",
        env = "GRANDSTAND_SECRET",
        hide_env_values = true
    )]
    secret: Option<String>,
    /// File with that secret; a newline at its end is ignored
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// `aud` of these tokens (`auth.audience` of the edges)
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,
    /// `iss` of these tokens (`auth.issuer` of the edges)
    #[arg(long, value_name = "TEXT")]
    issuer: Option<String>,
}

/// The clients.
#[derive(Debug)]
pub(super) struct Players {
    /// The players' names; empty for a spectator without a token.
    pub(super) names: [String; SEATS],
    pub(super) credentials: [Credentials; SEATS],
}

impl Players {
    /// The clients that the arguments name. A token comes before a secret.
    pub(super) fn of(args: &LoginArgs, room: &RoomId) -> Result<Self, Failure> {
        if !args.tokens.is_empty() {
            return of_tokens(&args.tokens);
        }
        let secret = match (&args.secret_file, &args.secret) {
            (Some(file), _) => Some(read_secret(file)?),
            (None, secret) => secret.clone().map(String::into_bytes),
        };
        let names = [1, 2, 3].map(|number| format!("smoke-{number}"));
        let Some(secret) = secret else {
            return Ok(Self {
                credentials: names.clone().map(Credentials::Name),
                names,
            });
        };
        let usage = |text: String| Failure::new(Exit::Usage, text);
        let signer = Signer::hs256(&secret).map_err(|e| usage(format!("the secret {e}")))?;
        let now_s = unix_ms() / 1000;
        let mut credentials = Vec::new();
        for (name, role) in names
            .iter()
            .zip([Role::Player, Role::Player, Role::Spectator])
        {
            let player: PlayerId = name.parse().map_err(|e| usage(format!("{name}: {e}")))?;
            let id = format!("{:032x}", rand::random::<u128>());
            let claims = Claims::new(player, now_s + TTL_S).issued(now_s, &id);
            let claims = claims.issued_by(args.issuer.as_deref(), args.audience.as_deref());
            let claims = claims.allow(room.as_str(), role, None);
            let claims = claims.map_err(|e| usage(format!("{room}: {e}")))?;
            credentials.push(Credentials::Token(signer.sign(&claims)));
        }
        let credentials = credentials.try_into();
        let credentials = credentials.map_err(|_| usage("three clients are needed".to_owned()))?;
        Ok(Self { names, credentials })
    }
}

fn of_tokens(tokens: &[String]) -> Result<Players, Failure> {
    let usage = |text: String| Failure::new(Exit::Usage, text);
    let (first, second, third) = match tokens {
        [first, second] => (first, second, None),
        [first, second, third] => (first, second, Some(third)),
        other => {
            return Err(usage(format!(
                "--token is given {} times: give three, of two players and a spectator, or two if the edges admit \
                 spectators without a token",
                other.len()
            )));
        }
    };
    let third_name = third.map_or(Ok(String::new()), |token| subject(token));
    let names = [subject(first), subject(second), third_name];
    let [Ok(first_name), Ok(second_name), Ok(third_name)] = names else {
        return Err(usage(
            "--token: it is not a JWT with the name of a player (`sub`)".to_owned(),
        ));
    };
    if first_name == second_name {
        return Err(usage(format!(
            "--token: both players are {first_name}; a player's second connection would replace the first"
        )));
    }
    let token = |token: &String| Credentials::Token(token.clone());
    Ok(Players {
        names: [first_name, second_name, third_name],
        credentials: [
            token(first),
            token(second),
            third.map_or(Credentials::Nothing, token),
        ],
    })
}

/// The player of a token, which is not verified.
fn subject(token: &str) -> Result<String, ()> {
    let payload = token.split('.').nth(1).ok_or(())?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(drop)?;
    let claims: Value = serde_json::from_slice(&payload).map_err(drop)?;
    claims["sub"].as_str().map(str::to_owned).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> LoginArgs {
        LoginArgs {
            tokens: Vec::new(),
            secret: None,
            secret_file: None,
            audience: None,
            issuer: None,
        }
    }

    fn room() -> RoomId {
        "memory-smoke-1".parse().unwrap()
    }

    #[test]
    fn a_secret_signs_three_tokens_and_tokens_name_their_players() {
        let signed = LoginArgs {
            secret: Some("a secret for tests only, 32 bytes".to_owned()),
            ..args()
        };
        let players = Players::of(&signed, &room()).unwrap();
        let tokens = players.credentials.map(|credentials| match credentials {
            Credentials::Token(token) => token,
            other => panic!("{other:?}"),
        });
        let given = LoginArgs {
            tokens: tokens.to_vec(),
            ..args()
        };
        let same = Players::of(&given, &room()).unwrap();
        assert_eq!(same.names, ["smoke-1", "smoke-2", "smoke-3"]);
        let two = LoginArgs {
            tokens: tokens[..2].to_vec(),
            ..args()
        };
        let two = Players::of(&two, &room()).unwrap();
        assert!(matches!(two.credentials[2], Credentials::Nothing));
    }

    #[test]
    fn wrong_tokens_and_secrets_are_named() {
        let refused = |tokens: &[&str], secret: Option<&str>| {
            let args = LoginArgs {
                tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
                secret: secret.map(str::to_owned),
                ..args()
            };
            Players::of(&args, &room()).unwrap_err().to_string()
        };
        assert!(refused(&["a"], None).contains("given 1 times"));
        assert!(refused(&["a", "b"], None).contains("not a JWT"));
        let alice = format!("x.{}.y", URL_SAFE_NO_PAD.encode(r#"{"sub":"alice"}"#));
        assert!(refused(&[&alice, &alice], None).contains("both players are alice"));
        assert!(refused(&[], Some("short")).contains("5 bytes"));
    }
}
