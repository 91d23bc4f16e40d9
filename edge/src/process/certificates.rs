//! Follows the files of certificates: changed ones are used for new connections, bad ones are reported and not used.

use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, info, warn};
use xxhash_rust::xxh3::Xxh3;

use crate::process::config::now_s;
use crate::server::metrics::CertificateMetrics;
use crate::server::tls::Tls;

/// The days before a certificate's expiry from which on the log warns, once a day.
const WARN_DAYS: i64 = 14;

const DAY_S: i64 = 86_400;

/// Looks at the files every `every`, forever, and keeps the gauge of the days for which the certificates are valid.
pub(super) async fn drive_certificates(
    tls: Tls,
    mut every: watch::Receiver<Duration>,
    metrics: CertificateMetrics,
) {
    let mut seen = contents(&tls).await;
    let mut warned_s = 0;
    loop {
        let now = now_s();
        let warns = now - warned_s >= DAY_S;
        for (files, at) in tls.files().iter().zip(tls.expire_s()) {
            let file = files.certificate.display();
            let days = (at - now).div_euclid(DAY_S);
            metrics.set_days_left(&file, days);
            if warns && days < WARN_DAYS {
                warned_s = now;
                warn!(%file, days, "a TLS certificate expires soon: replace its files, and they are used within seconds");
            }
        }
        let pause = *every.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // An error means that the process ends.
            Ok(()) = every.changed() => {}
        }
        let now = contents(&tls).await;
        if now == seen {
            continue;
        }
        seen = now;
        let reloaded = {
            let tls = tls.clone();
            tokio::task::spawn_blocking(move || tls.reload(now_s())).await
        };
        match reloaded {
            Ok(Ok(())) => {
                info!("the TLS certificates have changed and are used for new connections")
            }
            Ok(Err(error)) => {
                error!(%error, "the changed TLS certificates are not used: the earlier ones stay")
            }
            Err(error) => error!(%error, "the TLS certificates cannot be read"),
        }
    }
}

/// A checksum of all files. A file that cannot be read counts as empty.
async fn contents(tls: &Tls) -> u64 {
    let tls = tls.clone();
    let summed = tokio::task::spawn_blocking(move || {
        let mut sum = Xxh3::new();
        let files = tls.files();
        let paths = files
            .iter()
            .flat_map(|files| [&files.certificate, &files.key]);
        for path in paths {
            let bytes = std::fs::read(path).unwrap_or_default();
            sum.update(&(bytes.len() as u64).to_le_bytes());
            sum.update(&bytes);
        }
        sum.digest()
    });
    summed.await.unwrap_or_default()
}
