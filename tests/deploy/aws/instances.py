"""What runs on an instance: its configuration, with the program and nats-server, and its scripts, with stand-ins for AWS."""

import contextlib
import http.server
import json
import os
import pathlib
import re
import subprocess
import threading
import time

from plans import ROOT, console, need

AWS = ROOT / "deploy/aws"
BINARY = os.environ.get("GRANDSTAND_BIN", "grandstand")
NATS = os.environ.get("GRANDSTAND_NATS_SERVER", "nats-server")
TOKEN = "0123456789abcdef0123456789abcdef"
DEADLINE_S = 30


def check(part, values, config=None):
    """Whether the program accepts a configuration."""
    arguments = [BINARY, part, "--check", *(["--config", str(config)] if config else [])]
    done = subprocess.run(arguments, env={"PATH": os.environ["PATH"], **values}, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def variables(folder):
    """The variables that docs/operations/aws.md puts into secrets, with stand-ins for their values."""
    text = (AWS / "modules/secrets/main.tf").read_text()
    values = {}
    for name in re.findall(r"GRANDSTAND_[A-Z_]+", text):
        part = name.split("_")[1].lower()
        values[name] = f"nats://{part}:secret@127.0.0.1:4222" if name.endswith("_URL") else TOKEN
        if name.endswith("_POSTGRES"):
            values[name] = "postgres://grandstand:secret@127.0.0.1/grandstand"
    return {
        part: {k: v for k, v in values.items() if k.startswith(f"GRANDSTAND_{part.upper()}_")}
        for part in ("edge", "worker", "archive")
    }


def configurations(folder):
    """Each variant of the configuration is one that the program knows, and drains end before anything cuts them off."""
    secrets = variables(folder)
    text = (AWS / "main.tf").read_text()
    drain = {name: int(re.search(rf"\b{name}\s*= (\d+)", text)[1]) for name in ("drain_wait_s", "drain_s", "worker_drain_s")}
    (folder / "tls").mkdir()
    subprocess.run(
        [*"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split()]
        + ["-keyout", folder / "tls/tls.key", "-out", folder / "tls/tls.crt"],
        check=True,
        capture_output=True,
        timeout=30,
    )
    for terminate, quic in (False, True), (False, False), (True, False):
        values = {"cidr": "10.0.0.0/16", "terminate_tls": terminate, "quic": quic, "connections": 1000, **drain}
        rendered = console(f'templatefile("{AWS}/files/edge.toml.tftpl", jsondecode({json.dumps(json.dumps(values))}))', folder)
        file = folder / "edge.toml"
        file.write_text(rendered.replace('"/etc/grandstand/', f'"{folder}/'))
        code, said = check("edge", secrets["edge"], file)
        need(code == 0, f"files/edge.toml.tftpl with {values}: {said}")
        need(
            f"drain_wait_ms = {1000 * drain['drain_wait_s']} " in rendered,
            "files/edge.toml.tftpl: drain_wait_ms is not drain_wait_s of main.tf",
        )
    code, said = check("edge", secrets["edge"] | {"GRANDSTAND_EDGE_EDGE_NONE": "1"}, file)
    need(code == 78, "the program accepts a variable that it does not know, so this check is void")
    code, said = check("worker", secrets["worker"], AWS / "files/worker.toml")
    need(code == 0, f"files/worker.toml: {said}")
    worker = int(re.search(r"drain_ms = (\d+)", (AWS / "files/worker.toml").read_text())[1])
    need(worker + 5000 <= 1000 * drain["worker_drain_s"], "main.tf: worker_drain_s is less than worker.drain_ms and 5 s")
    # Fargate: all of it in variables.
    blocks = re.findall(r"environment = \{\n(.*?)\n  \}", text, re.S)
    need(len(blocks) == 2, "main.tf: there are not two services on Fargate")
    for block in blocks:
        values = {}
        for name, expression in re.findall(r"(GRANDSTAND_\w+)\s*= (.+)", block):
            expression = re.sub(r"tostring\(1000 \* local\.(\w+)\)", lambda match: f'"{1000 * drain[match[1]]}"', expression)
            values[name] = (
                expression.replace("var.cidr", '"10.0.0.0/16"').replace("tostring(var.edges.connections)", '"1000"').strip('"')
            )
        part = next(iter(values)).split("_")[1].lower()
        code, said = check(part, secrets[part] | values)
        need(code == 0, f"main.tf: {part} on Fargate: {said}")
    # Every variable of a secret is one that Fargate passes on or that EC2 reads as a whole.
    for keys in re.findall(r"secret_keys\s*= \[(.*)\]", text):
        for name in re.findall(r'"(\w+)"', keys):
            need(name in secrets[name.split("_")[1].lower()], f"main.tf: modules/secrets does not tell to put {name} in")


def nats(folder):
    """nats-server accepts the configuration of each server, with the users and what the script writes."""
    values = {"name": "nats-0", "store_gb": 80}
    rendered = console(
        f'templatefile("{AWS}/modules/nats/files/nats.conf.tftpl", jsondecode({json.dumps(json.dumps(values))}))', folder
    )
    (folder / "nats.conf").write_text(rendered)
    (folder / "users.conf").write_text((ROOT / "deploy/kubernetes/base/users.conf").read_text())
    names = {*re.findall(r"\$([A-Z_]+_PASSWORD)", rendered + (folder / "users.conf").read_text())}
    stand = Stand(folder)
    stand.command("aws", f'cat "{folder}/$4"')
    (folder / "arn:nats").write_text(json.dumps({name: f"p{name}" for name in names}))
    settings = folder / "settings"
    settings.write_text("REGION='r'\nSECRET='arn:nats'\nHOSTS='nats-0.t.internal,nats-1.t.internal,nats-2.t.internal'\n")
    environment = {"PATH": stand.path, "GRANDSTAND_SETTINGS": str(settings), "GRANDSTAND_FOLDER": str(folder)}
    subprocess.run([AWS / "modules/nats/files/secrets"], env=environment, check=True, capture_output=True, timeout=30)
    written = folder / "nats.env"
    values = {name: json.loads(value) for name, value in (line.split("=", 1) for line in written.read_text().splitlines())}
    need(values["NATS_ROUTE_2"] == "nats://route:pNATS_ROUTE_PASSWORD@nats-2.t.internal:6222", f"nats.env: {values}")
    need(written.stat().st_mode & 0o777 == 0o600, "nats.env can be read by others")
    done = subprocess.run(
        [NATS, "-t", "-c", folder / "nats.conf"],
        env={"PATH": os.environ["PATH"], **values},
        capture_output=True,
        text=True,
        timeout=30,
    )
    need(done.returncode == 0, f"modules/nats/files/nats.conf.tftpl: {done.stdout}{done.stderr}")
    (folder / "arn:nats").write_text("{}")
    done = subprocess.run([AWS / "modules/nats/files/secrets"], env=environment, capture_output=True, timeout=30)
    need(
        done.returncode != 0 and values["NATS_ROUTE_2"] in written.read_text(),
        "a secret without a password for routes is accepted",
    )


STAND_IN = """#!/bin/bash
echo "{name} $*" >>"{calls}"
{body}
"""


class Stand:
    """Commands that only write down how they were called."""

    def __init__(self, folder):
        self.folder = folder
        self.calls = folder / "calls"
        (folder / "bin").mkdir()
        self.path = f"{folder}/bin:{os.environ['PATH']}"

    def command(self, name, body=""):
        file = self.folder / "bin" / name
        file.write_text(STAND_IN.format(name=name, calls=self.calls, body=body))
        file.chmod(0o755)

    def called(self):
        return self.calls.read_text().splitlines() if self.calls.exists() else []


class Pages(http.server.BaseHTTPRequestHandler):
    """The metadata of an instance, and the metrics of an edge."""

    state = "InService"

    def answer(self, text, status=200):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        self.answer("token")

    def do_GET(self):
        pages = {
            "/latest/meta-data/instance-id": "i-0123",
            "/latest/meta-data/autoscaling/target-lifecycle-state": type(self).state,
        }
        if self.path == "/metrics":
            self.answer(
                'grandstand_edge_connections 7\ngrandstand_edge_connections{draining="12"} 5\ngrandstand_edge_connections_x 100\n'
            )
        elif self.path in pages and self.headers["X-aws-ec2-metadata-token"] == "token":
            self.answer(pages[self.path])
        else:
            self.answer("", 401)

    def log_message(self, *_):
        pass


def settings(folder, **changed):
    values = {
        "PART": "edge", "GROUP": "t-edge", "REGION": "eu-central-1", "ENVIRONMENT": "test", "NAMESPACE": "Grandstand", "HOOK": "drain",
        "PACKAGE": "s3://p/g.deb", "SECRET": "arn:edge", "CERTIFICATE_SECRET": "arn:certificate", "ADMIN": "http://127.0.0.1:1", **changed,
    }  # fmt: skip
    known = re.findall(r"^    ([A-Z_]+) +=", (AWS / "modules/fleet/main.tf").read_text(), re.M)
    need(
        sorted(known) == sorted(values),
        f"modules/fleet/main.tf: settings are {sorted(known)}, and this test knows {sorted(values)}",
    )
    file = folder / "settings"
    file.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))
    return file


def drains(folder):
    """The script publishes connections, and when the group ends the instance, it drains first and then says so, once."""
    stand = Stand(folder)
    stand.command("aws", 'if [ "$2" = complete-lifecycle-action ] && [ ! -e "$0.failed" ]; then touch "$0.failed"; exit 1; fi')
    stand.command("systemctl", "sleep 0.2; echo stopped >>" + str(stand.calls))
    pages = type("Own", (Pages,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    values = {
        "PATH": stand.path, "GRANDSTAND_SETTINGS": str(settings(folder, ADMIN=address)), "GRANDSTAND_IMDS": address, "GRANDSTAND_EVERY_S": "0.1",
    }  # fmt: skip
    process = subprocess.Popen(
        [AWS / "modules/fleet/files/instance"], env=values, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until(lambda: any("put-metric-data" in call for call in stand.called()), "no metric is published", stand)
        (metric,) = [call for call in stand.called() if "put-metric-data" in call]
        wanted = "aws cloudwatch put-metric-data --namespace Grandstand --metric-name ActiveConnections --unit Count --dimensions Environment=test --value 12"
        need(metric == wanted, f"modules/fleet/files/instance publishes {metric}")
        need(not any("systemctl" in call for call in stand.called()), "an instance in service is drained")
        pages.state = "Terminated"
        until(
            lambda: sum("complete-lifecycle-action" in call for call in stand.called()) == 2,
            "the hook is not completed, or not tried again",
            stand,
        )
        calls = [call for call in stand.called() if "metric" not in call]
        need(calls[:2] == ["systemctl stop grandstand-edge.service", "stopped"], f"the drain does not come first: {calls}")
        need(
            all(
                "--auto-scaling-group-name t-edge --instance-id i-0123 --lifecycle-action-result CONTINUE" in call
                for call in calls[2:]
            ),
            f"{calls}",
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait(10)
        server.shutdown()


def until(ask, message, stand):
    deadline = time.monotonic() + DEADLINE_S
    while not ask():
        need(time.monotonic() < deadline, f"{message} within {DEADLINE_S} s: {stand.called()}")
        time.sleep(0.05)


def secrets(folder):
    """The script writes what systemd and the edge read, and keeps earlier files if a secret cannot be read."""
    stand = Stand(folder)
    values = {
        "GRANDSTAND_EDGE_AUTH_SECRET": 'with "quotes" and spaces $HOME',
        "GRANDSTAND_EDGE_CLUSTER_URL": "nats://edge:p@nats-0:4222",
    }
    (folder / "arn:edge").write_text(json.dumps(values))
    (folder / "arn:certificate").write_text(
        json.dumps({"certificate": "-----BEGIN CERTIFICATE-----\nA\n", "key": "-----BEGIN PRIVATE KEY-----\nB\n"})
    )
    stand.command("aws", f'cat "{folder}/$4"')
    group = subprocess.run(["id", "-gn"], capture_output=True, text=True, check=True).stdout.strip()
    environment = {
        "PATH": stand.path,
        "GRANDSTAND_SETTINGS": str(settings(folder)),
        "GRANDSTAND_FOLDER": str(folder / "etc"),
        "GRANDSTAND_GROUP": group,
    }
    script = AWS / "modules/fleet/files/secrets"
    subprocess.run([script], env=environment, check=True, capture_output=True, timeout=30)
    written = pathlib.Path(folder, "etc/edge.env")
    lines = dict(line.split("=", 1) for line in written.read_text().splitlines())
    need({name: json.loads(value) for name, value in lines.items()} == values, f"edge.env: {written.read_text()}")
    need(written.stat().st_mode & 0o777 == 0o600, "edge.env can be read by others")
    key = pathlib.Path(folder, "etc/tls/tls.key")
    need(key.stat().st_mode & 0o777 == 0o640 and "BEGIN PRIVATE KEY" in key.read_text(), "tls.key has wrong rights or content")
    inode = key.stat().st_ino
    subprocess.run([script], env=environment, check=True, capture_output=True, timeout=30)
    need(key.stat().st_ino == inode, "a certificate that has not changed is written again")
    (folder / "arn:edge").write_text("")
    done = subprocess.run([script], env=environment, capture_output=True, timeout=30)
    need(
        done.returncode != 0 and json.loads(lines["GRANDSTAND_EDGE_CLUSTER_URL"]) in written.read_text(),
        "an empty secret replaces the earlier file",
    )


def scripts():
    """bash can read each script."""
    files = [file for file in AWS.rglob("files/*") if file.read_bytes().startswith(b"#!/bin/bash")]
    need(len(files) >= 4, "there are no scripts")
    for file in files:
        need(os.access(file, os.X_OK), f"{file.relative_to(AWS)} is not executable")
        done = subprocess.run(["bash", "-n", file], capture_output=True, text=True, timeout=10)
        need(done.returncode == 0, f"{file.relative_to(AWS)}: {done.stderr}")
    # The units of deploy/systemd read what the scripts write.
    for part in "edge", "worker", "nats":
        unit = ROOT / f"deploy/systemd/grandstand-{part}.service"
        if unit.exists():
            for wanted in f"/etc/grandstand/{part}.env", f"/etc/grandstand/{part}.{'conf' if part == 'nats' else 'toml'}":
                need(wanted in unit.read_text(), f"{unit.relative_to(ROOT)} does not read {wanted}")


def page(folder):
    """The commands of docs/operations/aws.md put in what modules/secrets says, with passwords that fit each other."""
    text = (ROOT / "docs/operations/aws.md").read_text()
    (block,) = [b for b in re.findall(r"^ *```sh\n(.*?)^ *```", text, re.S | re.M) if "put-secret-value" in b]
    stand = Stand(folder)
    stand.command("aws", f'printf %s "$6" >"{folder}/${{4#*/}}.json"')
    (folder / "play.pem").write_text("certificate\n")
    (folder / "play.key").write_text("key\n")
    done = subprocess.run(
        ["bash", "-euc", block], cwd=folder, env={"PATH": stand.path}, capture_output=True, text=True, timeout=30
    )
    need(done.returncode == 0, f"aws.md: {done.stdout}{done.stderr}")
    made = {file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")}
    described = dict(re.findall(r'^    (\w+) += "(.*)"$', (AWS / "modules/secrets/main.tf").read_text(), re.M))
    users = (ROOT / "config/nats.conf").read_text()
    wanted = {
        "nats": {*re.findall(r"password: \$(\w+)", users), "NATS_ROUTE_PASSWORD"},
        "certificate": {"certificate", "key"},
        **{part: set(re.findall(r"GRANDSTAND_\w+", described[part])) for part in ("edge", "worker")},
    }
    # On instances the admin port of workers is on loopback, so its token may be left out.
    wanted["worker"] -= {"GRANDSTAND_WORKER_WORKER_ADMIN_TOKEN"}
    need({name: set(values) for name, values in made.items()} == wanted, f"aws.md puts in {made}, but {wanted} is needed")
    for part in "edge", "worker":
        password = made["nats"][f"GRANDSTAND_{part.upper()}_PASSWORD"]
        address = made[part][f"GRANDSTAND_{part.upper()}_CLUSTER_URL"]
        need(
            f"nats://{part}:{password}@nats-0.grandstand.internal:4222" in address,
            f"aws.md: the address of NATS for {part}s has another password",
        )
        code, said = check(part, made[part], None if part == "edge" else AWS / "files/worker.toml")
        need(code == 0, f"aws.md: the program refuses what is put in for {part}s: {said}")
