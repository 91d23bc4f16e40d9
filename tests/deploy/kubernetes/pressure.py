"""What the rules of the adapter say for given measurements, by `promtool test rules`."""

import json
import pathlib
import subprocess
import tempfile

import yaml

from manifests import FOLDER, need

GIB = 2**30


def cpu(part, cores, before=None):
    """Two pods with this use of CPU, and another one in the first 40 minutes."""
    series = f'process_cpu_seconds_total{{job="grandstand-{part}",namespace="grandstand",pod="%s"}}'
    step = cores * 15
    values = f"0+{step}x400" if before is None else f"0+{before * 15}x160 {before * 15 * 160 + step}+{step}x240"
    return {series % pod: values for pod in "ab"}


def memory(part, bytes_, before=None):
    series = f'process_resident_memory_bytes{{job="grandstand-{part}",namespace="grandstand",pod="a"}}'
    return {series: f"{bytes_:.0f}x400" if before is None else f"{before:.0f}x160 {bytes_:.0f}x240"}


def connections(number):
    return {
        'grandstand_edge_connections{namespace="grandstand",pod="a"}': f"{number}x400",
        'grandstand_edge_max_connections{namespace="grandstand",pod="a"}': "100x400",
    }


def histogram(metric, below, above):
    """Observations a step of at most 10 ms, and of up to 200 ms."""
    series = f'{metric}_bucket{{namespace="grandstand",pod="a",le="%s"}}'
    total = below + above
    return {series % "0.01": f"0+{below}x400", series % "0.2": f"0+{total}x400", series % "+Inf": f"0+{total}x400"}


# The rule, its series, the minute of the question, and the least and greatest pressure.
CASES = [
    *[
        case
        for part in ("edge", "worker")
        for case in (
            (f"grandstand_{part}_cpu_pressure", cpu(part, 1.6), 30, 1.32, 1.35),
            (f"grandstand_{part}_cpu_pressure", cpu(part, 1.0), 30, 1, 1),
            (f"grandstand_{part}_cpu_pressure", cpu(part, 0.4), 30, 0.4, 0.6),
            (f"grandstand_{part}_cpu_pressure", {}, 30, 1, 1),
            # Not yet for 5 minutes, for 5 minutes; not yet for 15 minutes, for 15 minutes.
            (f"grandstand_{part}_cpu_pressure", cpu(part, 1.6, before=1.0), 44, 1, 1),
            (f"grandstand_{part}_cpu_pressure", cpu(part, 1.6, before=1.0), 47, 1.32, 1.35),
            (f"grandstand_{part}_cpu_pressure", cpu(part, 0.2, before=1.0), 54, 1, 1),
            (f"grandstand_{part}_cpu_pressure", cpu(part, 0.2, before=1.0), 57, 0.2, 0.3),
            (f"grandstand_{part}_memory_pressure", memory(part, 1.7 * GIB), 30, 1.2, 1.25),
            (f"grandstand_{part}_memory_pressure", memory(part, 1.7 * GIB, before=GIB), 42, 1, 1),
            (f"grandstand_{part}_memory_pressure", memory(part, 1.7 * GIB, before=GIB), 44, 1.2, 1.25),
            (f"grandstand_{part}_memory_pressure", memory(part, 0.7 * GIB), 30, 0.49, 0.51),
            (f"grandstand_{part}_memory_pressure", {}, 30, 1, 1),
        )
    ],
    ("grandstand_edge_connections_pressure", connections(85), 30, 1.2, 1.22),
    ("grandstand_edge_connections_pressure", connections(60), 30, 1, 1),
    ("grandstand_edge_connections_pressure", connections(20), 30, 0.39, 0.41),
    ("grandstand_edge_connections_pressure", {}, 30, 1, 1),
    *[
        case
        for rule, metric in (
            ("grandstand_edge_loop_lag_pressure", "grandstand_edge_loop_lag_seconds"),
            ("grandstand_worker_loop_lag_pressure", "grandstand_worker_loop_lag_seconds"),
            ("grandstand_worker_input_latency_pressure", "grandstand_edge_input_latency_seconds"),
        )
        for case in (
            (rule, histogram(metric, 90, 10), 30, 1.8, 2),
            (rule, histogram(metric, 1000, 0), 30, 0.05, 0.21),
            # Without an observation, and without a series.
            (rule, histogram(metric, 0, 0), 30, 0, 0),
            (rule, {}, 30, 1, 1),
        )
    ],
]


def check():
    rules = yaml.safe_load((FOLDER / "components/scaling/adapter.yaml").read_text())["externalRules"]
    queries = {r["name"]["as"]: r["metricsQuery"].replace("<<.LabelMatchers>>", 'namespace="grandstand"') for r in rules}
    tested = {case[0] for case in CASES}
    need(tested == queries.keys(), f"adapter.yaml: tests and rules differ: {sorted(tested ^ queries.keys())}")
    tests = []
    for rule, series, minute, least, greatest in CASES:
        # Within the bounds, and one value alone: a second one would be added to it.
        expression = (
            f"count({queries[rule]}) == 1 and ({queries[rule]}) >= {least - 1e-9} and ({queries[rule]}) <= {greatest + 1e-9}"
        )
        tests.append(
            {
                "name": f"{rule} at minute {minute} with {json.dumps(series)}: {least} to {greatest}",
                "interval": "15s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f"count({expression}) or vector(0)",
                        "eval_time": f"{minute}m",
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    }
                ],
            }
        )
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "tests.yml")
        file.write_text(yaml.safe_dump({"tests": tests}))
        done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=100)
        need(done.returncode == 0, f"components/scaling/adapter.yaml: {done.stdout}{done.stderr}")
        scrape = yaml.safe_load((FOLDER / "components/scaling/scrape.yaml").read_text())
        for job in scrape["scrape_configs"]:
            # Debian builds Prometheus without the discovery of Kubernetes. The rest is checked.
            need(
                job.pop("kubernetes_sd_configs") == [{"role": "pod"}],
                "components/scaling/scrape.yaml: discovers other things than pods",
            )
        file.write_text(yaml.safe_dump(scrape))
        done = subprocess.run(
            ["promtool", "check", "config", "--syntax-only", str(file)], capture_output=True, text=True, timeout=30
        )
        need(done.returncode == 0, f"components/scaling/scrape.yaml: {done.stdout}{done.stderr}")
    return len(tests)
