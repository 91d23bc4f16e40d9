//! Follows the files of certificates: changed ones are used for new connections, bad ones are reported and not used.

use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::process::config::now_s;
use crate::server::metrics::CertificateMetrics;
use crate::server::tls::{Reloaded, Tls};

/// The days before a certificate's expiry from which on the log warns, once a day.
const WARN_DAYS: i64 = 14;

const DAY_S: i64 = 86_400;

/// Looks at the files every `every`, forever, and keeps the gauge of the days for which the certificates are valid.
pub(super) async fn drive_certificates(
    tls: Tls,
    mut every: watch::Receiver<Duration>,
    metrics: CertificateMetrics,
) {
    // Files may have changed since they were read, while the start waited for NATS.
    let mut seen = tls.checksum();
    let mut warned_s = 0;
    let (mut shown, mut said) = (Vec::new(), Vec::new());
    loop {
        let now = now_s();
        let warns = now - warned_s >= DAY_S;
        let before = std::mem::take(&mut shown);
        for (files, at) in tls.files().iter().zip(tls.expire_s()) {
            let file = files.certificate.display().to_string();
            let days = (at - now).div_euclid(DAY_S);
            metrics.set_days_left(&file, days);
            if warns && days < WARN_DAYS {
                warned_s = now;
                warn!(%file, days, "a TLS certificate expires soon: replace its files, and they are used within seconds");
            }
            shown.push(file);
        }
        for file in before.iter().filter(|file| !shown.contains(file)) {
            metrics.forget(file);
        }
        let pause = *every.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // An error means that the process ends.
            Ok(()) = every.changed() => {}
        }
        let now = in_background(&tls, Tls::look).await.unwrap_or(seen);
        // Time may heal a bad certificate, if it was not valid yet.
        if now == seen && said.is_empty() {
            continue;
        }
        seen = now;
        match in_background(&tls, |tls| tls.reload(now_s())).await {
            Some(Ok(reloaded)) => said = say(reloaded, &said),
            Some(Err(error)) => error!(%error, "the changed TLS certificates are not used"),
            None => {}
        }
    }
}

/// Logs the result of a reload, except errors that were `said` before. Returns all of its errors.
fn say(Reloaded { changed, errors }: Reloaded, said: &[String]) -> Vec<String> {
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    for error in errors.iter().filter(|error| !said.contains(error)) {
        error!(%error, "a changed TLS certificate is not used: the earlier one stays");
    }
    if changed > 0 {
        info!(
            changed,
            "TLS certificates have changed and are used for new connections"
        );
    } else if errors.is_empty() && !said.is_empty() {
        info!("the files of the TLS certificates are whole again");
    }
    errors
}

/// Reads files on a thread that may block. `None` if the process ends.
async fn in_background<T: Send + 'static>(
    tls: &Tls,
    read: impl FnOnce(&Tls) -> T + Send + 'static,
) -> Option<T> {
    let tls = tls.clone();
    tokio::task::spawn_blocking(move || read(&tls)).await.ok()
}
