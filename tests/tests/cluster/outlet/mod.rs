//! `grandstand outlet` as a process, with endpoints that hang, fail, lead in circles and answer without end.

mod receiver;

mod calls;

mod webhooks;

use std::path::PathBuf;
use std::time::Duration;

use grandstand_harness::nats::TempDir;
use grandstand_harness::process::{PATIENCE, Process, Start};
use tokio::time::{Instant, sleep};

use receiver::Receiver;

/// The secret of all endpoints.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The configuration of an outlet.
struct Outlet {
    dir: TempDir,
    text: String,
}

impl Outlet {
    fn new() -> Self {
        Self {
            dir: TempDir::new("outlet"),
            text: String::new(),
        }
    }

    /// Adds an endpoint, whose name is that of its path.
    fn endpoint(mut self, receiver: &Receiver, path: &str, more: &str) -> Self {
        let (name, url) = (path.trim_start_matches('/'), receiver.url(path));
        self.text += &format!(
            "[[outlet.endpoints]]\nname = \"{name}\"\nurl = \"{url}\"\nallow_http = true\nsecret = \"{SECRET}\"\n\
             backoff_ms = 20\nmax_backoff_ms = 50\nbreaker_ms = 50\nmax_breaker_ms = 100\n{more}\n"
        );
        self
    }

    /// The file with this configuration.
    fn file(&self) -> PathBuf {
        let file = self.dir.path().join("outlet.toml");
        std::fs::write(&file, &self.text).unwrap();
        file
    }

    /// Writes another configuration into the file of this one.
    fn overwrite(&self, other: &Self) {
        std::fs::write(self.dir.path().join("outlet.toml"), &other.text).unwrap();
    }

    /// The program with this configuration.
    fn start(&self, nats: &str) -> Start {
        Start::grandstand("outlet")
            .flag("--config", self.file().display())
            .flag("--nats", nats)
    }
}

/// Waits until a metric has a value.
async fn until(process: &Process, metric: &str, is: impl Fn(f64) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = process.metric(metric).await;
        if found.is_some_and(&is) {
            return;
        }
        assert!(Instant::now() < deadline, "{metric}: {found:?}");
        sleep(Duration::from_millis(20)).await;
    }
}
