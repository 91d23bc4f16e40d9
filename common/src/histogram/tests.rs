use prometheus_client::encoding::text;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::*;

fn render(histogram: &Histogram) -> String {
    let mut registry = Registry::default();
    registry.register("lag_seconds", "Lag", histogram.clone());
    let mut out = String::new();
    text::encode(&mut out, &registry).unwrap();
    out
}

#[test]
fn classic_buckets_are_cumulative_and_contain_their_bounds() {
    let histogram = Histogram::new(&LATENCY);
    for micros in [0, 25, 26, 1_000, 60_000_000] {
        histogram.observe(micros);
    }
    let out = render(&histogram);
    for line in [
        "# TYPE lag_seconds histogram",
        "lag_seconds_bucket{le=\"0.000025\"} 2",
        "lag_seconds_bucket{le=\"0.00005\"} 3",
        "lag_seconds_bucket{le=\"0.001\"} 4",
        "lag_seconds_bucket{le=\"30.0\"} 4",
        "lag_seconds_bucket{le=\"+Inf\"} 5",
        "lag_seconds_count 5",
        "lag_seconds_sum 60.001051",
    ] {
        assert!(out.lines().any(|l| l == line), "{line} is not in\n{out}");
    }
}

#[test]
fn what_threads_publish_is_added_once() {
    let histogram = Histogram::new(&COUNT);
    let locals = [histogram.local(), histogram.local()];
    locals[0].observe(3);
    locals[1].observe(4);
    assert_eq!(histogram.count(), 0);
    locals.iter().for_each(LocalHistogram::publish);
    locals.iter().for_each(LocalHistogram::publish);
    assert_eq!(histogram.count(), 2);
    locals[0].observe(5);
    drop(locals);
    assert_eq!(histogram.count(), 3);
    assert!(render(&histogram).contains("lag_seconds_sum 12.0"));
}

#[test]
fn a_family_of_histograms_has_the_labels_of_each() {
    type Labels = Vec<(&'static str, String)>;
    let family: Family<Labels, Histogram, fn() -> Histogram> =
        Family::new_with_constructor(|| Histogram::new(&LATENCY));
    let labels = vec![("game", "relay".to_owned())];
    family.get_or_create(&labels).observe(7);
    let mut registry = Registry::default();
    registry.register("latency_seconds", "Latency", family);
    let mut out = String::new();
    text::encode(&mut out, &registry).unwrap();
    assert!(
        out.contains("latency_seconds_count{game=\"relay\"} 1"),
        "{out}"
    );
}

#[test]
fn an_observation_beyond_the_scale_counts_in_the_outermost_bucket() {
    let mut tally = Tally::new(&LIFETIME);
    for seconds in [0, u64::MAX / 2, u64::MAX / 2 + 1] {
        tally.observe(seconds);
    }
    assert_eq!(tally.count(), 3);
    let total: u64 = tally.classic.iter().sum();
    assert_eq!(total, 3);
}
