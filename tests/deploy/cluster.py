"""A cluster of processes for tests, in network and mount namespaces of its own.

Hosts are addresses of the loopback interface with names in /etc/hosts, so that files under deploy run with their own names and
ports. /etc, /run, /var/lib and /var/log are copies in memory.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "python"))
import websockets
from peer import Broken, Peer

PROGRAM = os.environ["GRANDSTAND_BIN"]
NATS = os.environ["GRANDSTAND_NATS_SERVER"]
SECRET = "0123456789abcdef0123456789abcdef"
TOKEN = "a token of the admin API, for tests"
HOSTS = {
    "nats-1": "127.0.1.1",
    "nats-2": "127.0.1.2",
    "nats-3": "127.0.1.3",
    "edge-1": "127.0.2.1",
    "edge-2": "127.0.2.2",
    "edge-green-1": "127.0.2.3",
    "edge-green-2": "127.0.2.4",
    "worker-1": "127.0.3.1",
    "worker-2": "127.0.3.2",
    "play.example.com": "127.0.0.1",
}
WAIT_S = 30


def enter():
    """Runs this program again in namespaces of its own. Exits with 77 where that is not permitted."""
    if os.environ.get("GRANDSTAND_OWN_SITE") != str(os.getpid()):
        if subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True).returncode:
            print("no namespaces of its own for a test: it needs root")
            sys.exit(77)
        os.environ["GRANDSTAND_OWN_SITE"] = str(os.getpid())
        os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv])
    sys.stdout.reconfigure(line_buffering=True)
    folder = tempfile.mkdtemp()
    script = """set -e
        ip link set lo up
        mount -t tmpfs tmpfs "$0"
        for place in etc var/lib; do
            mkdir -p "$0/$place/upper" "$0/$place/work"
            mount -t overlay overlay -o "lowerdir=/$place,upperdir=$0/$place/upper,workdir=$0/$place/work" /$place
        done
        mount -t tmpfs tmpfs /run
        mount -t tmpfs tmpfs /var/log
        mkdir -p /run/haproxy /var/lib/haproxy /var/log/nginx
    """
    subprocess.run(["sh", "-c", script, folder], check=True)
    lines = "".join(f"{address} {name}\n" for name, address in HOSTS.items())
    pathlib.Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n{lines}")
    return pathlib.Path(folder)


def done(text):
    print(f"ok: {text}")


def until(holds, what, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)
    return found


def page(url, headers=None):
    """The status and text of a page; no status if nothing answers."""
    try:
        request = urllib.request.Request(url, headers=headers or {})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None, ""


class Running:
    """A process with its log."""

    everything = []

    def __init__(self, name, arguments, folder, environment=None):
        self.name, self.path = name, pathlib.Path(folder) / f"{name}.log"
        with open(self.path, "a") as log:
            self.process = subprocess.Popen(
                arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
            )
        Running.everything.append(self)

    def log(self):
        return self.path.read_text(errors="replace")

    def runs(self):
        return self.process.poll() is None

    def end(self, how=signal.SIGTERM, seconds=WAIT_S):
        if self.runs():
            self.process.send_signal(how)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    @classmethod
    def end_all(cls, failed):
        for running in reversed(cls.everything):
            if failed:
                print(f"-- the log of {running.name} ends with\n{running.log()[-2500:]}")
            if running.runs():
                running.process.kill()
        for running in cls.everything:
            running.process.wait()


class Node(Running):
    """An edge or a worker at a host, with its admin port."""

    def __init__(self, kind, host, folder, environment=None, program=PROGRAM, nats="nats://127.0.0.1:4222"):
        self.again = lambda: Node(kind, host, folder, environment, program, nats)
        self.host, self.admin = HOSTS[host], {"edge": 8081, "worker": 8082}[kind]
        prefix = f"GRANDSTAND_{kind.upper()}_"
        variables = {f"{prefix}{kind.upper()}_NAME": host, f"{prefix}CLUSTER_URL": nats}
        variables[f"{prefix}{kind.upper()}_ADMIN"] = f"{self.host}:{self.admin}"
        if kind == "edge":
            variables |= {
                f"{prefix}AUTH_SECRET": SECRET,
                f"{prefix}EDGE_LISTEN": f"{self.host}:8080",
                f"{prefix}EDGE_SHARDS": "1",
            }
        super().__init__(host, [program, kind], folder, {**variables, **(environment or {})})

    def page(self, path):
        return page(f"http://{self.host}:{self.admin}{path}")

    def metric(self, name):
        """The sum of a metric over its labels."""
        lines = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)", self.page("/metrics")[1], re.M)
        return sum(float(value) for value in lines)

    def ready(self):
        until(lambda: not self.runs() or self.page("/ready")[0] == 200, f"/ready of {self.name}")
        assert self.runs(), f"{self.name} has ended: {self.log()[-2000:]}"
        return self


def nats(folder):
    arguments = [NATS, "-js", "-sd", f"{folder}/nats", "-a", "127.0.0.1", "-p", "4222"]
    server = Running("nats", arguments, folder)
    until(lambda: opens("127.0.0.1", 4222), "NATS")
    return server


def opens(host, port):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, port)) == 0


def token(player, role="player"):
    part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    claims = {"sub": player, "exp": int(time.time()) + 3600, "rooms": {"*": role}}
    signed = b".".join(part(json.dumps(x).encode()) for x in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (signed + b"." + part(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


class Player:
    """A player of a room of `relay`, who comes back after a loss, and knows what was acked."""

    def __init__(self, name, room, url, address="127.0.0.1", **options):
        self.name, self.room, self.url, self.address, self.options = name, room, url, address, options
        self.acked, self.told, self.connects = 0, 0, 0
        self.peer = None

    async def connect(self):
        host = self.url.split("//")[1].split("/")[0]
        name, _, port = host.partition(":")
        raw = socket.create_connection((name, int(port or 443)), WAIT_S, source_address=(self.address, 0))
        raw.setblocking(False)
        self.peer = await Peer.connect(self.name, self.url, {"token": token(self.name)}, sock=raw, **self.options)
        await self.peer.welcomed()
        answer = await self.peer.answer({"type": "ping"})
        assert answer["type"] == "pong", answer
        self.connects += 1

    async def join(self):
        await self.peer.join(self.room)
        state = self.peer.rooms[self.room]
        # What was acked is never lost.
        assert state.acked >= self.acked, f"{self.name}: {self.acked} inputs were acked, and now {state.acked}"
        self.acked = max(self.acked, state.acked)

    async def come(self):
        await self.connect()
        await self.join()
        return self

    async def put(self, data=None):
        """An input and its ack. After a loss it is sent again, on a new connection."""
        wanted, end = self.acked + 1, time.monotonic() + 2 * WAIT_S
        while self.acked < wanted:
            assert time.monotonic() < end, f"{self.name}: no ack of input {wanted}"
            if self.draining() or self.peer.reader.done():
                await self.come_back()
                continue
            sending = asyncio.create_task(self.peer.input(self.room, data or {"n": wanted}))
            await asyncio.wait([sending, self.peer.reader], return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                sending.cancel()
                continue
            try:
                assert sending.result() is None, f"{self.name}: input {wanted} is rejected: {sending.result()}"
                self.acked = self.peer.rooms[self.room].acked
            except websockets.ConnectionClosed:
                pass

    def draining(self):
        return any(message.get("code") == "draining" for message in self.peer.messages)

    async def come_back(self):
        """Connects again and joins. While no edge answers, or the room has no owner, it tries again."""
        before, end = self.peer, time.monotonic() + WAIT_S
        self.told += self.draining()
        while True:
            try:
                await self.come()
                break
            except (OSError, EOFError, websockets.WebSocketException, Broken) as error:
                assert time.monotonic() < end, f"{self.name} cannot come back: {error}"
                await asyncio.sleep(0.1)
        await before.close()
