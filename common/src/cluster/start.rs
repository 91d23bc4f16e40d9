//! The start of a process on NATS: it waits while NATS is away or not ready yet.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::settings::ClusterSettings;
use crate::bus::{Bus, BusOptions, BusRole, ConnectError, NatsErrors, Servers};
use crate::exit::{Exit, ExitError};
use crate::process::admin::{Component, Phase};
use crate::supervisor::Supervisor;

/// The pause between two attempts.
const RETRY: Duration = Duration::from_millis(500);
/// The time of waiting after which it is said.
const QUIET: Duration = Duration::from_secs(1);
/// The time between two lines that say so.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// The most time of one attempt to set the streams up. Then another connection may find another server.
const SET_UP_DEADLINE: Duration = Duration::from_secs(5);
/// The time between two looks at what NATS refuses.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The looks between two checks whether NATS still refuses it.
const LOOKS_PER_CHECK: u32 = 8;
/// The time between two trials of all permissions.
const TRY_EVERY: Duration = Duration::from_secs(30);
/// The looks between two checks of whether a stream or bucket is still there. Each checks the next one.
const LOOKS_PER_STREAM: u32 = 4;
/// The time between two measurements of the round trip.
const ROUND_TRIP_EVERY: Duration = Duration::from_secs(5);

/// The reason why a process cannot start on NATS.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// NATS cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// NATS was not ready in time.
    #[error("{last} (waited {after_s} s, see cluster.connect_timeout_s)")]
    TooLate {
        /// The time waited.
        after_s: u64,
        /// The error of the last attempt.
        last: Box<StartError>,
    },
}

impl ExitError for StartError {
    fn exit(&self) -> Exit {
        match self {
            Self::Connect(error) => error.exit(),
            Self::TooLate { .. } => Exit::Unavailable,
        }
    }
}

impl ClusterSettings {
    /// Connects to NATS as `name`, and creates the cluster if there is none. Waits while NATS is away or not ready, at
    /// most for `connect_timeout_s`; the component `nats` beside `component` says so. Later that component says what
    /// NATS refuses. The supervisor starts the tasks.
    ///
    /// # Errors
    /// At once if waiting does not help, such as for a refused login or a denied permission. Otherwise at the deadline.
    pub async fn start(
        &self,
        name: &str,
        role: BusRole,
        component: &Component,
        supervisor: &Supervisor,
    ) -> Result<Bus, StartError> {
        let nats = component.beside("nats");
        let options = BusOptions {
            role: Some(role),
            ..self.start_options(name, supervisor)
        };
        let attempt = async || Ok(Bus::connect_nats(&self.url, &options).await?);
        let bus = self.wait(Some(&nats), attempt).await?;
        self.compare(&bus.layout());
        nats.set(Phase::Ready);
        supervisor.keep("nats-errors", drive_errors(bus.clone(), nats));
        Ok(bus)
    }

    /// Makes one more connection for a process that has [started](Self::start) in this role. It waits like a start, and
    /// shares what is known about NATS' refusals.
    ///
    /// # Errors
    /// As for a start.
    pub async fn connect(
        &self,
        name: &str,
        role: BusRole,
        errors: &NatsErrors,
        supervisor: &Supervisor,
    ) -> Result<Bus, StartError> {
        let options = BusOptions {
            role: Some(role),
            // The start has tried them.
            trial: false,
            errors: errors.clone(),
            ..self.start_options(name, supervisor)
        };
        let attempt = async || Ok(Bus::connect_nats(&self.url, &options).await?);
        self.wait(None, attempt).await
    }

    fn start_options(&self, name: &str, supervisor: &Supervisor) -> BusOptions {
        BusOptions {
            set_up_deadline: Some(SET_UP_DEADLINE),
            ..self.bus_options(name, supervisor)
        }
    }

    /// Repeats `attempt` while its error may pass.
    async fn wait(
        &self,
        nats: Option<&Component>,
        mut attempt: impl AsyncFnMut() -> Result<Bus, StartError>,
    ) -> Result<Bus, StartError> {
        let begun = Instant::now();
        let limit_s = self.connect_timeout_s;
        let deadline = (limit_s > 0).then(|| begun + Duration::from_secs(limit_s));
        let mut last = None;
        let mut say_at = begun + QUIET;
        let mut said = false;
        loop {
            let attempted = match deadline {
                Some(deadline) => timeout_at(deadline, attempt()).await.ok(),
                None => Some(attempt().await),
            };
            let error = match attempted {
                Some(Ok(bus)) => {
                    if said {
                        tracing::info!(seconds = begun.elapsed().as_secs(), "NATS is available");
                    }
                    return Ok(bus);
                }
                Some(Err(error)) if error.exit() != Exit::Unavailable => return Err(error),
                Some(Err(error)) => error,
                // The deadline cut the attempt.
                None => last.take().unwrap_or_else(|| self.no_answer(limit_s)),
            };
            let now = Instant::now();
            if let Some(deadline) = deadline
                && now + RETRY >= deadline
            {
                let after_s = limit_s;
                let last = Box::new(error);
                return Err(StartError::TooLate { after_s, last });
            }
            if let Some(nats) = nats {
                let why = format!("waiting: {error}");
                nats.describe(Phase::Starting(Cow::Owned(why)));
            }
            if now >= say_at {
                (say_at, said) = (now + SAY_EVERY, true);
                let waited_s = begun.elapsed().as_secs();
                tracing::warn!(waited_s, limit_s, "waiting for NATS: {error}");
            }
            last = Some(error);
            sleep(RETRY).await;
        }
    }

    fn no_answer(&self, after_s: u64) -> StartError {
        let after = Duration::from_secs(after_s);
        let url = Servers::parse(&self.url).map_or_else(|e| e.to_string(), |s| s.to_string());
        ConnectError::TimedOut { url, after }.into()
    }
}

/// Says what NATS refuses while it lasts, and checks whether it has passed. Forever.
async fn drive_errors(bus: Bus, nats: Component) {
    let errors = bus.errors().cloned().unwrap_or_default();
    let saying = async {
        loop {
            sleep(LOOK_EVERY).await;
            nats.set(match errors.current() {
                Some(words) => Phase::Unready(words.into()),
                None => Phase::Ready,
            });
        }
    };
    // A check waits for NATS, and what is said does not wait for it.
    tokio::join!(
        saying,
        drive_checks(&bus, &errors),
        drive_round_trips(&bus, &nats)
    );
}

/// Measures how long NATS takes to answer. Forever.
async fn drive_round_trips(bus: &Bus, nats: &Component) {
    loop {
        let begun = Instant::now();
        // A failure shows in the state of the connection.
        if bus.flush().await.is_ok() {
            nats.set_response_time(begun.elapsed());
        }
        sleep(ROUND_TRIP_EVERY).await;
    }
}

/// Checks what NATS refuses and permits, and whether the streams are there. Forever.
async fn drive_checks(bus: &Bus, errors: &NatsErrors) {
    let mut tried = Instant::now();
    for look in 0_u32.. {
        sleep(LOOK_EVERY).await;
        if look % LOOKS_PER_CHECK == 0 && errors.any() {
            bus.check_refusals().await;
        }
        if let Bus::Nats(nats) = bus {
            if look % LOOKS_PER_STREAM == 0 {
                nats.check_stream(look / LOOKS_PER_STREAM).await;
            }
            if tried.elapsed() >= TRY_EVERY {
                nats.try_permissions().await;
                tried = Instant::now();
            }
        }
    }
}
