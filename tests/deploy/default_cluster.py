"""A small cluster on the default addresses, in a network of its own, for checks that run what the operators' pages say."""

import asyncio
import os
import sys
import time
import urllib.error
import urllib.request

import jwt
from queries import path

sys.path.insert(0, path("tests/python"))
from peer import Peer  # noqa: E402
from processes import SECRET, WAIT_S, Process  # noqa: E402

PROGRAM = os.environ.get("GRANDSTAND_BIN", "grandstand")
NATS_SERVER = os.environ.get("GRANDSTAND_NATS_SERVER", "nats-server")
EDGE = {"GRANDSTAND_EDGE_AUTH_SECRET": SECRET, "GRANDSTAND_EDGE_EDGE_DRAIN_WAIT_MS": "0", "GRANDSTAND_EDGE_EDGE_DRAIN_MS": "1000"}


def token(player, role="player"):
    claims = {"sub": player, "exp": int(time.time()) + 3600, "rooms": {"*": role}}
    return jwt.encode(claims, SECRET, "HS256")


def enter_own_network():
    """Starts the program again in network and process namespaces of its own, so that the default ports are free, and so that
    nothing that it starts outlives it. Exits with 77 where that is not allowed."""
    if os.environ.get("GRANDSTAND_OWN_NETWORK"):
        return
    os.environ["GRANDSTAND_OWN_NETWORK"] = "1"
    spaces = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.system(" ".join([*spaces, "true"])):
        print("this machine allows no namespaces (unshare)")
        sys.exit(77)
    os.execvp("unshare", [*spaces, "sh", "-c", 'ip link set lo up && exec "$0" "$@"', sys.executable, *sys.argv])


def page(url):
    """The status and the text of a page; no status if nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None, ""


class Part(Process):
    """A process with a page that answers 200 once it is ready."""

    def __init__(self, name, arguments, folder, url, environment=None):
        self.url = url
        super().__init__(name, [str(part) for part in arguments], folder, environment)

    async def ready(self):
        await self.until(lambda: page(self.url)[0] == 200, self.url)

    async def end(self):
        self.process.terminate()
        await self.until(lambda: self.process.poll() is not None, "its end")


class Cluster:
    """The processes of a cluster, in a folder."""

    def __init__(self, folder, nats="nats://127.0.0.1:4222"):
        self.folder, self.login = folder, nats

    def path(self, name):
        return os.path.join(self.folder, name)

    async def start(self, name, arguments, url, environment=None):
        part = Part(name, arguments, self.folder, url, environment)
        await part.ready()
        return part

    async def nats(self, *arguments, name="nats", store=None, monitor=8222):
        flags = ["-js", "-sd", store or self.path("nats"), "-a", "127.0.0.1", "-m", monitor, *arguments]
        return await self.start(name, [NATS_SERVER, *flags], f"http://127.0.0.1:{monitor}/healthz")

    async def worker(self, name="worker", admin=8082, **environment):
        flags = ["worker", "--name", name, "--nats", self.login, "--admin", f"127.0.0.1:{admin}"]
        settings = {"GRANDSTAND_WORKER_WORKER_LOOPS": "1", "GRANDSTAND_WORKER_CLUSTER_PARTITIONS": "16", **environment}
        return await self.start(name, [PROGRAM, *flags], f"http://127.0.0.1:{admin}/ready", settings)

    async def edge(self, name="edge", port=8080, admin=8081, **environment):
        flags = ["edge", "--name", name, "--nats", self.login, "--admin", f"127.0.0.1:{admin}", "--shards", "1"]
        listen = ["--listen", f"127.0.0.1:{port}"]
        settings = {**EDGE, "GRANDSTAND_EDGE_CLUSTER_PARTITIONS": "16", **environment}
        return await self.start(name, [PROGRAM, *flags, *listen], f"http://127.0.0.1:{admin}/ready", settings)

    async def exporter(self, port=7779, monitor=8222, name="exporter"):
        flags = [path("tests/deploy/nats_exporter.py"), f"http://127.0.0.1:{monitor}", port]
        return await self.start(name, [sys.executable, *flags], f"http://127.0.0.1:{port}/metrics")

    async def node_exporter(self):
        return await self.start(
            "node", ["prometheus-node-exporter", "--web.listen-address=127.0.0.1:9100"], "http://127.0.0.1:9100/metrics"
        )

    async def prometheus(self, config=None):
        flags = [f"--config.file={config or path('deploy/prometheus/prometheus.yml')}", f"--storage.tsdb.path={self.path('prometheus')}"]
        flags += ["--web.listen-address=127.0.0.1:9090", "--enable-feature=exemplar-storage"]
        return await self.start("prometheus", ["prometheus", *flags], "http://127.0.0.1:9090/-/ready")

    async def alertmanager(self, config):
        flags = [f"--config.file={config}", f"--storage.path={self.path('alertmanager')}", "--cluster.listen-address="]
        flags.append("--web.listen-address=127.0.0.1:9093")
        return await self.start("alertmanager", ["prometheus-alertmanager", *flags], "http://127.0.0.1:9093/-/ready")

    async def player(self, user, port=8080):
        """A connected player, whose token admits to all rooms."""
        peer = await Peer.connect(user, f"ws://127.0.0.1:{port}/v1/ws", query={"token": token(user)})
        return await peer.welcomed()


def run(test, *arguments):
    """Runs a check to its end, and ends what it has started."""

    async def whole():
        try:
            return await test(*arguments)
        finally:
            Process.end_all()

    return asyncio.run(whole())


__all__ = ["NATS_SERVER", "PROGRAM", "SECRET", "WAIT_S", "Cluster", "Process", "enter_own_network", "page", "run", "token"]
