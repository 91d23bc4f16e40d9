//! Supervision: every task and thread of a process is started here, and reports its end (D28).
//!
//! [`Supervisor::keep`] starts a part that must not end; [`Supervisor::run`] starts a job, which may end but must not
//! panic. The first end that should not have happened reaches [`Failures`], and the process shuts down in order. Aborting
//! a task is not an end: its owner has decided so.

#[cfg(feature = "faults")]
mod faults;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt::{self, Display};
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::thread::JoinHandle;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Creates the supervisor of a process and the receiver of its failures.
pub fn channel() -> (Supervisor, Failures) {
    let (first, failures) = watch::channel(None);
    let root = Root {
        first,
        #[cfg(feature = "faults")]
        faults: faults::Faults::from_environment(),
    };
    let supervisor = Supervisor::with_scope(Arc::new(root), String::new(), None);
    (supervisor, Failures(failures))
}

/// Starts parts of a process and reports their ends. Clones report to the same [`Failures`].
///
/// The default supervisor only logs, for programs that are not servers and for tests.
#[derive(Debug, Clone)]
pub struct Supervisor(Arc<Scope>);

/// A group of parts, for example those of one shard.
#[derive(Debug)]
struct Scope {
    root: Arc<Root>,
    name: String,
    /// Whether a part of this scope has failed.
    failed: watch::Sender<bool>,
    /// Whether its parts may return, because the process shuts down, or replaces them.
    stands_down: AtomicBool,
    /// The scope that contains this one.
    around: Option<Arc<Scope>>,
}

/// The state that all scopes of a process share.
#[derive(Debug)]
struct Root {
    first: watch::Sender<Option<PartEnded>>,
    #[cfg(feature = "faults")]
    faults: faults::Faults,
}

impl Default for Supervisor {
    fn default() -> Self {
        channel().0
    }
}

impl Supervisor {
    fn with_scope(root: Arc<Root>, name: String, around: Option<Arc<Scope>>) -> Self {
        Self(Arc::new(Scope {
            root,
            name,
            failed: watch::Sender::new(false),
            stands_down: AtomicBool::new(false),
            around,
        }))
    }

    /// A supervisor for a group of parts: their names begin with `name`, and [`has_failed`](Self::has_failed) concerns only
    /// them. Without a name they keep theirs.
    #[must_use]
    pub fn scope(&self, name: &str) -> Self {
        let around = Some(Arc::clone(&self.0));
        Self::with_scope(self.0.root.clone(), self.full_name(name), around)
    }

    /// Starts a part that must not end, as a task. Its end, by return or panic, is a failure.
    pub fn keep<F>(&self, part: &'static str, future: F) -> AbortHandle
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        tokio::spawn(self.clone().kept(part, future)).abort_handle()
    }

    /// Starts a part like [`keep`](Self::keep), on the running `LocalSet`.
    pub fn keep_local<F>(&self, part: &'static str, future: F) -> AbortHandle
    where
        F: Future<Output: Outcome> + 'static,
    {
        tokio::task::spawn_local(self.clone().kept(part, future)).abort_handle()
    }

    /// Starts a job, as a task. It may end, but a panic is a failure.
    pub fn run<F>(&self, part: &'static str, future: F) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(self.clone().ran(part, future)).abort_handle()
    }

    /// Starts a task like [`run`](Self::run), on the running `LocalSet`.
    pub fn run_local<F>(&self, part: &'static str, future: F) -> AbortHandle
    where
        F: Future<Output = ()> + 'static,
    {
        tokio::task::spawn_local(self.clone().ran(part, future)).abort_handle()
    }

    /// Starts a thread. It may end, but a panic is a failure.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn thread(
        &self,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let supervisor = self.clone();
        let part = name.to_owned();
        let body = move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
                supervisor.report(&part, Ending::Panicked(text_of(&*panic)));
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(body)
    }

    /// Runs a part within the current task.
    ///
    /// # Errors
    /// If the part panics, which is also a failure of the process.
    pub async fn guard<F: Future>(&self, part: &str, future: F) -> Result<F::Output, PartEnded> {
        #[cfg(feature = "faults")]
        let future = self.0.root.faults.inject(self.full_name(part), future);
        match AssertUnwindSafe(future).catch_unwind().await {
            Ok(output) => Ok(output),
            Err(panic) => Err(self.report(part, Ending::Panicked(text_of(&*panic)))),
        }
    }

    /// Allows the parts of this scope and of the scopes in it to return from now on, because the process shuts down, or
    /// replaces them. Panics remain failures.
    pub fn stand_down(&self) {
        self.0.stands_down.store(true, Ordering::Relaxed);
    }

    fn stands_down(&self) -> bool {
        let mut scopes = std::iter::successors(Some(&self.0), |scope| scope.around.as_ref());
        scopes.any(|scope| scope.stands_down.load(Ordering::Relaxed))
    }

    /// Waits for `signal`, and allows parts to return before it passes the signal on. `select!` drops the losing branches
    /// before it runs the handler of the first: parts that end with what a losing branch owns end before the handler could
    /// call [`stand_down`](Self::stand_down).
    pub async fn stand_down_at<T>(&self, signal: impl Future<Output = T>) -> T {
        let signal = signal.await;
        self.stand_down();
        signal
    }

    /// Whether a part of this scope has failed.
    pub fn has_failed(&self) -> bool {
        *self.0.failed.borrow()
    }

    /// Waits until a part of this scope fails.
    pub async fn failed(&self) {
        // The sender lives as long as `self`.
        self.0
            .failed
            .subscribe()
            .wait_for(|failed| *failed)
            .await
            .ok();
    }

    /// Injects a fault: `how` is `panic`, `return` or `hang`. Returns whether faults are enabled and `how` is one.
    #[cfg(feature = "faults")]
    pub fn inject(&self, part: &str, how: &str) -> bool {
        self.0.root.faults.set(part, how)
    }

    async fn kept<F: Future<Output: Outcome>>(self, part: &'static str, future: F) {
        let future = async { future.await.reason() };
        #[cfg(feature = "faults")]
        let future = self.0.root.faults.end(self.full_name(part), future);
        if let Ok(reason) = self.guard(part, future).await
            && !self.stands_down()
        {
            self.report(part, Ending::Returned(reason));
        }
    }

    async fn ran(self, part: &'static str, future: impl Future<Output = ()>) {
        // The failure is reported.
        self.guard(part, future).await.ok();
    }

    fn report(&self, part: &str, how: Ending) -> PartEnded {
        let ended = PartEnded {
            part: self.full_name(part),
            how,
        };
        tracing::error!(part = ended.part, "{ended}");
        self.0.failed.send_replace(true);
        self.0.root.first.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert_with(|| ended.clone());
            is_first
        });
        ended
    }

    fn full_name(&self, part: &str) -> String {
        match (self.0.name.as_str(), part) {
            ("", part) => part.to_owned(),
            (scope, "") => scope.to_owned(),
            (scope, part) => format!("{scope}/{part}"),
        }
    }
}

/// The failures of a process.
#[derive(Debug, Clone)]
pub struct Failures(watch::Receiver<Option<PartEnded>>);

impl Failures {
    /// Waits until a part fails, and returns the first that did.
    pub async fn first(&mut self) -> PartEnded {
        let first = match self.0.wait_for(Option::is_some).await {
            Ok(first) => first.clone(),
            Err(_) => None,
        };
        match first {
            Some(ended) => ended,
            // No supervisor is left, so nothing can fail.
            None => std::future::pending().await,
        }
    }

    /// The first part that has failed.
    pub fn get(&self) -> Option<PartEnded> {
        self.0.borrow().clone()
    }
}

/// A part of the process that has ended although it should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartEnded {
    part: String,
    how: Ending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ending {
    Returned(String),
    Panicked(String),
}

impl Display for PartEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, how } = self;
        match how {
            Ending::Returned(reason) => write!(f, "the part `{part}` ended: {reason}"),
            Ending::Panicked(text) => write!(f, "the part `{part}` panicked: {text}"),
        }
    }
}

impl std::error::Error for PartEnded {}

/// The result of a part that must not end: the reason why it ended.
pub trait Outcome {
    /// The reason, for the log.
    fn reason(self) -> String;
}

impl Outcome for () {
    fn reason(self) -> String {
        "it returned".to_owned()
    }
}

impl<E: Display> Outcome for Result<(), E> {
    fn reason(self) -> String {
        match self {
            Ok(()) => ().reason(),
            Err(error) => error.to_string(),
        }
    }
}

/// The text of a panic.
pub fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
