//! Whether results are stored, as the log, `/ready` and the metrics say it.

use std::borrow::Cow;

use grandstand_common::process::admin::{Component, Phase};

use super::metrics::ArchiveMetrics;

/// The state of storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Up,
    /// Another process stores.
    Standby,
    Down,
}

/// Says each change of the state once.
#[derive(Debug)]
pub(super) struct Health {
    component: Component,
    metrics: ArchiveMetrics,
    state: State,
}

impl Health {
    pub(super) fn new(component: Component, metrics: ArchiveMetrics) -> Self {
        component.set(Phase::Starting("connecting to the database".into()));
        Self {
            component,
            metrics,
            state: State::Starting,
        }
    }

    /// Whether results are stored.
    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Results are stored.
    pub(super) fn up(&mut self) {
        if self.enter(State::Up) {
            tracing::info!("the database stores results");
            self.component.set(Phase::Ready);
        }
    }

    /// Another process stores results. This one takes over when that one ends.
    pub(super) fn standby(&mut self) {
        if self.enter(State::Standby) {
            tracing::info!(
                "another process stores results in this database; this one answers questions, and takes over when that one ends"
            );
            self.component.set(Phase::Ready);
        }
    }

    /// Results are not stored at the moment.
    pub(super) fn down(&mut self, why: &str) {
        let phase = Phase::Unready(Cow::Owned(why.to_owned()));
        if self.enter(State::Down) {
            tracing::warn!("results are not stored and wait in the stream: {why}");
            self.component.set(phase);
        } else {
            self.component.describe(phase);
        }
    }

    fn enter(&mut self, state: State) -> bool {
        let is_change = self.state != state;
        self.state = state;
        let number = |is: bool| i64::from(is);
        self.metrics
            .database_up
            .set(number(matches!(state, State::Up | State::Standby)));
        self.metrics.leads.set(number(state == State::Up));
        is_change
    }
}
