"""What docs/operations/kubernetes.md prints: its secrets are those that the manifests need, and its numbers are theirs."""

import json
import os
import pathlib
import re
import subprocess

import yaml

from manifests import ROOT, container, need
from static import SECRETS

PAGE = ROOT / "docs/operations/kubernetes.md"


def secrets(folder):
    """Runs the commands that create secrets, against a kubectl that only prints them."""
    text = PAGE.read_text()
    (block,) = [b for b in re.findall(r"^( *)```sh\n(.*?)^ *```", text, re.S | re.M) if "create secret" in b[1]]
    folder = pathlib.Path(folder)
    real = subprocess.run(["which", "kubectl"], capture_output=True, text=True, check=True).stdout.strip()
    (folder / "bin").mkdir()
    stand = folder / "bin/kubectl"
    stand.write_text(f'#!/bin/sh\necho ---\n[ "$1" = create ] || exec {real} "$@" --dry-run=client -o json\n')
    stand.chmod(0o755)
    subprocess.run(
        [*"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -keyout play.key -out play.pem".split()],
        cwd=folder, check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    done = subprocess.run(
        ["bash", "-euc", block[1]],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    need(done.returncode == 0, f"{PAGE.name}: {done.stdout}{done.stderr}")
    made = {}
    for document in yaml.safe_load_all(done.stdout):
        if document:
            need(document["kind"] == "Secret", f"{PAGE.name} creates a {document['kind']}")
            made[document["metadata"]["name"]] = set(document["data"])
    need(made == SECRETS, f"{PAGE.name} creates {made}, but the manifests need {SECRETS}")


def numbers(overlays):
    """The table of how pods end has the values of the manifests."""
    text = PAGE.read_text()
    columns = []
    for name in "dev", "eks":
        overlay = overlays[name]
        template = overlay.one("Deployment", "grandstand-edge")["spec"]["template"]
        edge = overlay.config("edge")["edge"]
        sleep = container(template)["lifecycle"]["preStop"]["sleep"]["seconds"]
        columns.append(
            [sleep, edge["drain_wait_ms"] // 1000, edge["drain_ms"] // 1000, template["spec"]["terminationGracePeriodSeconds"]]
        )
    rows = ["`preStop` sleeps", "TERM: `/ready`", "clients are told", "the pod is killed"]
    for i, row in enumerate(rows):
        wanted = f"| {columns[0][i]} s | {columns[1][i]} s |"
        need(
            re.search(rf"^\| {re.escape(row)}.*{re.escape(wanted)}$", text, re.M),
            f"{PAGE.name}: the row '{row}' must end with {wanted}",
        )
    balancer = json.dumps(overlays["eks"].all("Service"))
    (delay,) = set(re.findall(r"deregistration_delay\.timeout_seconds=(\d+)", balancer))
    need(f"(deregistration delay) | | {delay} s |" in text, f"{PAGE.name}: the deregistration delay is {delay} s")
