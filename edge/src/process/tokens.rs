//! Starts the tasks behind the verification of tokens: the key set of the issuer, and the revocations.

use grandstand_common::bus::Bus;
use grandstand_common::process::admin::{Component, Phase};
use grandstand_common::supervisor::Supervisor;
use tokio::sync::oneshot;

use crate::process::revocations;
use crate::shard::admission::AdmissionPolicy;
use crate::shard::metrics::EdgeMetrics;

/// Starts to follow the key set and the revocations. Returns once the edge may verify tokens: it has keys, and all
/// revocations.
pub(super) async fn follow(
    admission: &AdmissionPolicy,
    bus: &Bus,
    component: &Component,
    supervisor: &Supervisor,
    metrics: &EdgeMetrics,
) {
    let key_set = &admission.key_set;
    let driven = key_set.clone().drive(metrics.key_set.clone());
    supervisor.keep("key set", driven);
    if key_set.exists() {
        component.set(Phase::Starting("reading the key set of tokens".into()));
        key_set.ready().await;
    }
    component.set(Phase::Starting("reading the revocations".into()));
    let (loaded, all) = oneshot::channel();
    let revocations = admission.verifier.revocations().clone();
    let driven = revocations::drive_revocations(bus.clone(), revocations, loaded);
    supervisor.keep("revocations", driven);
    // An error means that the process ends.
    all.await.ok();
}
