"""What the files under deploy/prometheus and deploy/grafana ask for: rules, alerts, dashboards, and the metrics in their queries."""

import glob
import json
import os
import re

import yaml

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROMETHEUS = os.path.join(ROOT, "deploy", "prometheus")
WORDS = {
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
    "bool",
    "offset",
    "inf",
    "nan",
    "start",
    "end",
}


def path(*parts):
    return os.path.join(ROOT, *parts)


def rule_files():
    """The rule files that prometheus.yml names, as paths."""
    with open(path("deploy/prometheus/prometheus.yml")) as file:
        return [os.path.join(PROMETHEUS, name) for name in yaml.safe_load(file)["rule_files"]]


def rules():
    """All rules, with the file of each as `file`."""
    for name in rule_files():
        with open(name) as file:
            for group in yaml.safe_load(file)["groups"]:
                for rule in group["rules"]:
                    yield {**rule, "file": os.path.relpath(name, ROOT)}


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def dashboards():
    """The dashboards by their path."""
    found = {}
    for name in sorted(glob.glob(path("deploy/grafana/*.json"))):
        with open(name) as file:
            found[os.path.relpath(name, ROOT)] = json.load(file)
    return found


def panels(dashboard):
    """All panels of a dashboard, those in collapsed rows as well."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def dashboard_queries():
    """All queries of dashboards: (where, expression). Variables are queries as well."""
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                yield f"{name}, panel {panel['title']!r}", target["expr"]
        for variable in dashboard.get("templating", {}).get("list", []):
            query = variable.get("query")
            if variable["type"] != "query":
                continue
            asked = query["query"] if isinstance(query, dict) else query
            metric = re.fullmatch(r"label_values\((.+), *\w+\)", asked)
            assert metric, f"{name}: the variable {variable['name']} asks for {asked!r}, and not for label_values(…)"
            yield f"{name}, variable {variable['name']!r}", metric.group(1)


def page_queries():
    """The queries that operators' pages tell to paste: (where, expression)."""
    for name in sorted(glob.glob(path("docs/operations/**/*.md"), recursive=True)):
        with open(name) as file:
            for query in re.finditer(r"promtool query instant \S+ '([^']+)'", file.read()):
                yield os.path.relpath(name, ROOT), query.group(1)


def metrics(expression):
    """The names of the metrics in an expression of PromQL."""
    text = re.sub(r"#.*", "", expression)
    text = re.sub(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", "''", text)
    text = re.sub(r"\{[^}]*\}", "{}", text)
    text = re.sub(r"\[[^\]]*\]", "", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    text = re.sub(r"\$\w+", " ", text)
    names = re.finditer(r"(?<![\w.])([a-zA-Z_:][\w:]*)(?!\s*\()(?![\w:])", text)
    return {name.group(1) for name in names if name.group(1).lower() not in WORDS}
