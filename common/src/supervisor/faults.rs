//! Faults that tests inject into parts. Only with the feature `faults`, and only if `GRANDSTAND_FAULTS` is set.

use std::future::Future;

use tokio::sync::watch;

/// The environment variable that enables faults.
const VARIABLE: &str = "GRANDSTAND_FAULTS";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Panic,
    Return,
    Hang,
}

/// A fault that a part is told to have.
#[derive(Debug)]
struct Fault {
    part: String,
    kind: Kind,
}

/// The sender of faults, with the last one; `None` if faults are disabled.
#[derive(Debug)]
pub(super) struct Faults(Option<watch::Sender<Option<Fault>>>);

impl Faults {
    pub(super) fn from_environment() -> Self {
        let enabled = std::env::var_os(VARIABLE).is_some();
        Self(enabled.then(|| watch::Sender::new(None)))
    }

    pub(super) fn set(&self, part: &str, how: &str) -> bool {
        let kind = match how {
            "panic" => Kind::Panic,
            "return" => Kind::Return,
            "hang" => Kind::Hang,
            _ => return false,
        };
        let Some(fault) = &self.0 else {
            return false;
        };
        fault.send_replace(Some(Fault {
            part: part.to_owned(),
            kind,
        }));
        true
    }

    /// Runs a part, which panics or hangs when it is told to.
    pub(super) async fn inject<F: Future>(&self, part: String, future: F) -> F::Output {
        let Some(fault) = &self.0 else {
            return future.await;
        };
        let mut faults = fault.subscribe();
        tokio::select! {
            biased;
            kind = wait(&mut faults, &part, |kind| kind != Kind::Return) => match kind {
                Kind::Hang => loop {
                    std::thread::park();
                },
                _ => panic!("injected"),
            },
            output = future => output,
        }
    }

    /// Runs a part, which returns when it is told to.
    pub(super) async fn end(&self, part: String, future: impl Future<Output = String>) -> String {
        let Some(fault) = &self.0 else {
            return future.await;
        };
        let mut faults = fault.subscribe();
        tokio::select! {
            biased;
            _ = wait(&mut faults, &part, |kind| kind == Kind::Return) => "injected".to_owned(),
            reason = future => reason,
        }
    }
}

/// Waits for a wanted fault of a part.
async fn wait(
    faults: &mut watch::Receiver<Option<Fault>>,
    part: &str,
    is_wanted: impl Fn(Kind) -> bool,
) -> Kind {
    let wanted = |fault: &Fault| fault.part == part && is_wanted(fault.kind);
    let found = match faults
        .wait_for(|last| last.as_ref().is_some_and(wanted))
        .await
    {
        Ok(fault) => fault.as_ref().map(|fault| fault.kind),
        Err(_) => None,
    };
    match found {
        Some(kind) => kind,
        None => std::future::pending().await,
    }
}
