"""The program and nats-server with the configuration of an overlay: first `--check`, then all of them running on loopback."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from manifests import Wrong, container, environment, need

BINARY = os.environ.get("GRANDSTAND_BIN", "grandstand")
NATS = os.environ.get("GRANDSTAND_NATS_SERVER", "nats-server")
# Where the manifests mount what the program reads.
MOUNTED = "/etc/grandstand"
DEADLINE_S = 60


def secret(_name, key):
    """A stand-in for a secret that an operator makes: NATS wants a letter first, tokens 32 bytes."""
    return f"p-{key}-0123456789abcdef0123456789abcdef"


def mount(overlay, part, folder):
    """Writes the configuration and a certificate where a pod would have them; the arguments of the program."""
    template = overlay.pod(part)
    root = pathlib.Path(folder, part)
    (root / "tls").mkdir(parents=True, exist_ok=True)
    text = overlay.generated("ConfigMap", f"grandstand-{part}")["data"][f"{part}.toml"]
    (root / f"{part}.toml").write_text(text.replace(f'"{MOUNTED}/', f'"{root}/'))
    if not (root / "tls/tls.crt").exists():
        subprocess.run(
            [*"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split()]
            + ["-addext", "subjectAltName=DNS:localhost", "-keyout", root / "tls/tls.key", "-out", root / "tls/tls.crt"],
            check=True,
            capture_output=True,
            timeout=30,
        )
    pod = container(template)
    need(pod["command"] == ["grandstand"], f"overlays/{overlay.name}: {part} runs {pod['command']}, not the program")
    return [BINARY, *(argument.replace(MOUNTED, str(root)) for argument in pod["args"])], environment(template, secret)


def bare(values):
    """An environment without what this test was started with."""
    return {"PATH": os.environ["PATH"], **values}


def check(overlay, folder):
    """`--check` accepts each key and each variable, and refuses one that it does not know."""
    for part in "edge", "worker":
        arguments, values = mount(overlay, part, folder)
        place = f"overlays/{overlay.name}: {part}"
        done = subprocess.run([*arguments, "--check"], env=bare(values), capture_output=True, text=True, timeout=30)
        need(done.returncode == 0, f"{place}: the program refuses its configuration: {done.stdout}{done.stderr}")
        values[f"GRANDSTAND_{part.upper()}_CLUSTER_NONE"] = "1"
        done = subprocess.run([*arguments, "--check"], env=bare(values), capture_output=True, text=True, timeout=30)
        need(done.returncode == 78, f"{place}: the program accepts a variable that it does not know, so this check is void")


def ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return numbers


def get(url, **headers):
    """The status and the body of a page; 0 if nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def until(what, ask, processes):
    """Waits until `ask` is true, as long as all processes live."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        for name, process, log in processes:
            need(process.poll() is None, f"{name} has ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        if ask():
            return
        time.sleep(0.1)
    logs = "\n".join(f"{name}: {log.read_text()[-1500:]}" for name, _, log in processes)
    raise Wrong(f"{what} within {DEADLINE_S} s\n{logs}")


class Running:
    """Processes that a test has started."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.processes = []

    def start(self, name, arguments, values):
        log = self.folder / f"{name}.log"
        process = subprocess.Popen(arguments, env=bare(values), stdout=log.open("w"), stderr=subprocess.STDOUT)
        self.processes.append((name, process, log))
        return process

    def stop(self):
        for _, process, _ in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait(10)


def start_nats(overlay, running):
    """As many servers as the overlay has, whose addresses are ports on loopback. Their client ports."""
    workload = overlay.one("StatefulSet", "grandstand-nats")
    count = workload["spec"]["replicas"]
    data = overlay.generated("ConfigMap", "grandstand-nats")["data"]
    numbers = ports(3 * count)
    clients, routes, monitors = numbers[:count], numbers[count : 2 * count], numbers[2 * count :]
    for i in range(count):
        place = running.folder / f"nats-{i}"
        place.mkdir()
        text = data["nats.conf"]
        for port, own in (4222, clients[i]), (6222, routes[i]), (8222, monitors[i]):
            text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{own}")
        text = text.replace("/var/lib/nats", str(place)).replace("/run/nats/nats.pid", str(place / "pid"))
        (place / "nats.conf").write_text(text)
        (place / "users.conf").write_text(data["users.conf"])
        values = environment(workload["spec"]["template"], secret) | {"POD_NAME": f"grandstand-nats-{i}"}
        for j in range(count):
            values[f"NATS_ROUTE_{j}"] = values[f"NATS_ROUTE_{j}"].replace(
                f"grandstand-nats-{j}.grandstand-nats:6222", f"127.0.0.1:{routes[j]}"
            )
        running.start(f"nats-{i}", [NATS, "--config", str(place / "nats.conf")], values)
    paths = [container(workload["spec"]["template"])[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe")]
    for path in paths:
        for port in monitors:
            until(
                f"overlays/{overlay.name}: {path} of NATS is not 200",
                lambda: get(f"http://127.0.0.1:{port}{path}")[0] == 200,
                running.processes,
            )
    return clients


def start_part(overlay, part, running, clients, changed):
    """An edge or a worker; the address of its admin port."""
    arguments, values = mount(overlay, part, running.folder)
    name = f"GRANDSTAND_{part.upper()}_CLUSTER_URL"
    for i, port in enumerate(clients):
        values[name] = values[name].replace(f"grandstand-nats-{i}.grandstand-nats:4222", f"127.0.0.1:{port}")
    values[name] = values[name].replace("grandstand-nats:4222", f"127.0.0.1:{clients[0]}")
    running.start(part, arguments, values | changed)
    admin = "http://" + changed[f"GRANDSTAND_{part.upper()}_{part.upper()}_ADMIN"]
    pod = container(overlay.pod(part))
    for kind in "startupProbe", "readinessProbe", "livenessProbe":
        path = pod[kind]["httpGet"]["path"]
        until(f"{part}: {path} is not 200", lambda: get(admin + path)[0] == 200, running.processes)
    return admin


def over_proxy(port, certificate):
    """The first line of the answer over TLS, behind a header of the PROXY protocol (version 2, TCP over IPv4)."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        addresses = socket.inet_aton("203.0.113.7") + socket.inet_aton("127.0.0.1") + bytes([0x30, 0x39, 0x01, 0xBB])
        plain.sendall(b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + addresses)
        context = ssl.create_default_context(cafile=certificate)
        with context.wrap_socket(plain, server_hostname="localhost") as encrypted:
            encrypted.sendall(b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return encrypted.recv(4096).split(b"\r\n")[0].decode()


def run(overlay, folder):
    """Starts everything, asks each page, and ends an edge and a worker in order."""
    running = Running(folder)
    try:
        clients = start_nats(overlay, running)
        worker, edge, http, tls = (f"127.0.0.1:{port}" for port in ports(4))
        config = overlay.config("edge")
        start_part(overlay, "worker", running, clients, {"GRANDSTAND_WORKER_WORKER_ADMIN": worker})
        changed = {
            "GRANDSTAND_EDGE_EDGE_ADMIN": edge,
            "GRANDSTAND_EDGE_EDGE_LISTEN": http,
            "GRANDSTAND_EDGE_EDGE_DRAIN_WAIT_MS": "100",
            "GRANDSTAND_EDGE_EDGE_DRAIN_MS": "1000",
            "GRANDSTAND_EDGE_PROXY_NETWORKS": "127.0.0.0/8",
        }
        if "tls" in config:
            changed |= {"GRANDSTAND_EDGE_TLS_LISTEN": tls, "GRANDSTAND_EDGE_QUIC_LISTEN": tls}
        start_part(overlay, "edge", running, clients, changed)
        place = f"overlays/{overlay.name}: edge"
        need(get(f"http://{http}/v1/openapi.json")[0] == 200, f"{place}: the HTTP API is off, but the Ingress leads to it")
        need(get(f"http://{edge}/v1/rooms")[0] == 401, f"{place}: the admin API answers without its token")
        token = secret("grandstand-edge", "admin-token")
        need(
            get(f"http://{edge}/v1/rooms", Authorization=f"Bearer {token}")[0] == 200,
            f"{place}: its token does not open the admin API",
        )
        if config.get("proxy", {}).get("tls_protocol"):
            line = over_proxy(int(tls.split(":")[1]), f"{folder}/edge/tls/tls.crt")
            need(line.startswith("HTTP/1.1 200"), f"{place}: TLS behind the PROXY protocol gives {line}")
        for name, process, log in [p for p in running.processes if p[0] in ("edge", "worker")]:
            process.send_signal(signal.SIGTERM)
            need(
                process.wait(30) == 0,
                f"overlays/{overlay.name}: {name} ends with {process.returncode} after TERM:\n{log.read_text()[-2000:]}",
            )
        return len(clients)
    finally:
        running.stop()


def lame_duck(overlay):
    """The command of preStop is one that nats-server knows."""
    command = container(overlay.pod("nats"))["lifecycle"]["preStop"]["exec"]["command"]
    need(re.fullmatch(r"ldm=/run/nats/nats\.pid", command[2]), f"overlays/{overlay.name}: preStop of NATS is {command}")
    done = subprocess.run([NATS, "--signal", "ldm=/nonexistent"], capture_output=True, text=True, timeout=20)
    need("unknown signal" not in done.stderr, f"nats-server: {done.stderr}")
