//! Notifies the service manager (`Type=notify` of systemd). Without one (no `NOTIFY_SOCKET`) nothing is sent.

use sd_notify::NotifyState;

/// Says that the process has started, and that it is the main process of its service: after an upgrade in place the service
/// manager knows only the earlier one.
pub fn ready() {
    let main = NotifyState::MainPid(std::process::id());
    send(&[NotifyState::Ready, main]);
}

/// Says that the process reads its configuration again, until [`ready`] (`Type=notify-reload`).
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot notify the service manager"),
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}
