//! The text that is printed once the server is up: pages to open, messages to type, and addresses.

use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use grandstand_common::process::lossy::LossyWriter;
use grandstand_common::supervisor::Supervisor;

/// The values of the text.
#[derive(Debug)]
pub(super) struct Banner {
    /// The path with which this program was called.
    pub(super) program: String,
    /// The names of the games.
    pub(super) games: Vec<&'static str>,
    /// The address for clients.
    pub(super) listen: SocketAddr,
    /// The address for clients with TLS.
    pub(super) tls: Option<SocketAddr>,
    /// The address for clients over QUIC.
    pub(super) quic: Option<SocketAddr>,
    /// The address of health checks and metrics.
    pub(super) admin: SocketAddr,
    /// The folder that keeps rooms.
    pub(super) data: Option<PathBuf>,
    /// The folder of the author's page.
    pub(super) pages: Option<PathBuf>,
    /// The NATS servers.
    pub(super) nats: Option<String>,
    /// Whether the edge serves `/v1/echo`.
    pub(super) echo: bool,
    /// The random secret for tokens, if none was given.
    pub(super) secret: Option<String>,
}

impl Banner {
    /// Prints the text to standard output. The server neither waits for that nor ends if it fails.
    pub(super) fn print(&self, supervisor: &Supervisor) {
        match LossyWriter::start("banner", io::stdout(), supervisor) {
            Ok(mut out) => {
                out.write_all(self.to_string().as_bytes()).ok();
            }
            Err(error) => tracing::warn!(%error, "cannot print the addresses"),
        }
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = reachable(self.listen);
        let admin = reachable(self.admin);
        let program = match self.program.as_str() {
            "" => "grandstand",
            program => program,
        };
        let secret = self.secret.as_deref().unwrap_or("…");
        if let Some(game) = self.shown() {
            writeln!(f, "Grandstand is up. Open in browser tabs:\n")?;
            for (query, what) in [
                ("user=alice", "a player"),
                ("user=bob", "another player"),
                ("user=carol&role=spectator", "a spectator"),
            ] {
                let url = format!("http://{at}/?room={game}-1&{query}");
                writeln!(f, "  {url:<68} {what}")?;
            }
        }
        if let Some(game) = self.typed() {
            writeln!(
                f,
                "\nOr type, with any WebSocket client (this one: pip install websockets):\n\n  \
                 python -m websockets 'ws://{at}/v1/ws?user=alice'\n  \
                 {{\"type\":\"join\",\"room\":\"{game}-1\"}}"
            )?;
            if game == "relay" {
                writeln!(
                    f,
                    "  {{\"type\":\"input\",\"room\":\"relay-1\",\"seq\":1,\"data\":\"hello\"}}"
                )?;
            }
            writeln!(f)?;
        }
        writeln!(f, "rooms    {}", self.rooms())?;
        if let Some(pages) = &self.pages {
            writeln!(f, "page     {}", pages.display())?;
        }
        writeln!(f, "health   http://{admin}/ready")?;
        writeln!(f, "metrics  http://{admin}/metrics")?;
        if let Some(tls) = self.tls {
            writeln!(f, "TLS      wss://{}/v1/ws", reachable(tls))?;
        }
        if let Some(quic) = self.quic {
            writeln!(f, "QUIC     https://{}/v1/wt", reachable(quic))?;
        }
        if self.echo {
            writeln!(f, "echo     ws://{at}/v1/echo")?;
        }
        writeln!(
            f,
            "tokens   {program} token --secret {secret} --user alice --room '{}*=player'",
            self.games
                .first()
                .map_or_else(String::new, |game| format!("{game}-"))
        )?;
        if !self.listen.ip().is_loopback() {
            writeln!(
                f,
                "warning  other machines can reach {}, and ?user= is trusted: a client can claim any name",
                self.listen
            )?;
        }
        writeln!(f, "end      Ctrl-C")
    }
}

impl Banner {
    /// The game of the links.
    fn shown(&self) -> Option<&'static str> {
        let memory = self.games.iter().find(|game| **game == "memory");
        memory.or(self.games.first()).copied()
    }

    /// The game of the example messages.
    fn typed(&self) -> Option<&'static str> {
        let relay = self.games.iter().find(|game| **game == "relay");
        relay.or(self.games.first()).copied()
    }

    fn rooms(&self) -> String {
        match (&self.nats, &self.data) {
            (Some(url), _) => format!("in NATS at {}", without_password(url)),
            (None, Some(dir)) => format!("in {}, kept across restarts", dir.display()),
            (None, None) => {
                "in memory until this program ends; --data DIR keeps them across restarts"
                    .to_owned()
            }
        }
    }
}

/// The address to connect to; the loopback address in place of "all addresses".
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The NATS addresses without `user:password@`.
fn without_password(urls: &str) -> String {
    let one = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        _ => url.to_owned(),
    };
    urls.split(',').map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(listen: &str) -> Banner {
        Banner {
            program: "target/release/grandstand".to_owned(),
            games: vec!["memory", "relay"],
            listen: listen.parse().unwrap(),
            tls: None,
            quic: None,
            admin: "127.0.0.1:8081".parse().unwrap(),
            data: None,
            pages: None,
            nats: None,
            echo: false,
            secret: Some("5ec".to_owned()),
        }
    }

    #[test]
    fn the_text_has_the_urls_and_messages_to_copy() {
        let text = banner("127.0.0.1:8080").to_string();
        for part in [
            "  http://127.0.0.1:8080/?room=memory-1&user=alice ",
            "  http://127.0.0.1:8080/?room=memory-1&user=carol&role=spectator ",
            "python -m websockets 'ws://127.0.0.1:8080/v1/ws?user=alice'",
            "target/release/grandstand token --secret 5ec --user alice",
            "http://127.0.0.1:8081/ready",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(
            !text.contains("warning") && !text.contains("echo"),
            "{text}"
        );
        let typed = text.lines().filter(|line| line.starts_with("  {"));
        for line in typed {
            serde_json::from_str::<serde_json::Value>(line.trim()).unwrap();
        }
    }

    #[test]
    fn without_memory_the_text_names_the_own_game() {
        let mut own = banner("127.0.0.1:8080");
        own.games = vec!["twentyone"];
        let text = own.to_string();
        for part in [
            "  http://127.0.0.1:8080/?room=twentyone-1&user=bob ",
            r#"{"type":"join","room":"twentyone-1"}"#,
            "--room 'twentyone-*=player'",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(
            !text.contains("memory-") && !text.contains("relay"),
            "{text}"
        );
    }

    #[test]
    fn an_unspecified_address_is_shown_as_loopback_with_a_warning() {
        let text = banner("0.0.0.0:80").to_string();
        assert!(text.contains("http://127.0.0.1:80/"), "{text}");
        assert!(text.contains("warning"), "{text}");
        assert!(banner("[::]:80").to_string().contains("http://[::1]:80/"));
    }

    #[test]
    fn a_password_is_not_shown() {
        let nats = Banner {
            nats: Some("nats://me:pw@a:4222,b:1".to_owned()),
            ..banner("127.0.0.1:1")
        };
        assert!(nats.to_string().contains("in NATS at nats://a:4222,b:1\n"));
    }
}
