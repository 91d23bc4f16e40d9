//! `grandstand outlet`: delivers what games emit to webhooks, and answers their calls.
//!
//! An item goes through these modules from the top to the bottom: an endpoint's rules, a request with its signature, the
//! circuit breaker, one delivery or call, and the loops over the stream. What an endpoint has not taken is a letter in the
//! bucket `outlet`, where also the places in the stream are.

mod backoff;

mod signature;

mod sections;

mod endpoint;

mod tls;

mod client;

mod breaker;

mod metrics;

mod target;

mod store;

mod place;

mod placed;

mod letter;

mod webhook;

mod deliveries;

mod calls;

mod lease;

mod session;

mod config;

mod dead;

mod run;

mod embedded;

use std::process::ExitCode;

use grandstand_common::bus::metrics::BusMetrics;
use grandstand_common::exit;
use grandstand_common::process;
use prometheus_client::registry::Registry;

use crate::runtime;
use config::OutletConfig;

pub(crate) use embedded::EmbeddedOutlet;
pub(crate) use run::Args;

/// Registers the metrics of an outlet that does not run, for a description.
pub(crate) fn describe(registry: &mut Registry) {
    metrics::OutletMetrics::register(registry).endpoint("");
    BusMetrics::default().register(registry.sub_registry_with_prefix("outlet"));
}

/// Runs until TERM or INT, or runs a command, and returns the exit code.
pub(crate) fn run(args: Args) -> ExitCode {
    let sources = args.sources();
    if let Some(command) = args.command {
        let done = runtime::block_on(dead::run(command, sources));
        return match done.and_then(|done| done) {
            Ok(()) => exit::Exit::Ok.into(),
            Err(failure) => exit::say("grandstand", &failure),
        };
    }
    process::run(
        "grandstand-outlet",
        &args.process,
        &sources,
        async |config: OutletConfig, frame| run::drive(config, sources.clone(), frame).await,
    )
}
