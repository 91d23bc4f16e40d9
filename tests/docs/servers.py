"""The servers that a scenario needs: one `dev`, or a cluster of edges and workers with NATS."""

import os
import shutil
import signal
import subprocess

from processes import Grandstand, Process, free_port

SECRET = "0123456789abcdef0123456789abcdef"


class Servers:
    """Starts processes in a folder of the scenario, and ends them."""

    def __init__(self, program, nats_server, folder):
        self.program, self.nats_server, self.folder = program, nats_server, folder
        self.started, self.nats_port = [], None

    def path(self, name):
        return os.path.join(self.folder, name)

    def add(self, process):
        self.started.append(process)
        return process

    async def dev(self, *arguments, **environment):
        """Starts `dev`. Its `url` is for clients."""
        port = free_port()
        listen = ["--listen", f"127.0.0.1:{port}", "--secret", SECRET]
        dev = self.add(Grandstand("dev", [self.program, "dev", *listen, *arguments], self.folder, environment))
        dev.url = f"ws://127.0.0.1:{port}"
        await dev.ready()
        return dev

    async def nats(self):
        self.nats_port = self.nats_port or free_port()
        store = ["-js", "-sd", self.path("nats"), "-a", "127.0.0.1", "-p", str(self.nats_port)]
        return self.add(Process("nats", [self.nats_server, *store], self.folder))

    @property
    def nats_url(self):
        return ["--nats", f"nats://127.0.0.1:{self.nats_port}"]

    async def edge(self, name, **environment):
        port = free_port()
        settings = {
            "GRANDSTAND_EDGE_AUTH_SECRET": SECRET,
            "GRANDSTAND_EDGE_EDGE_DRAIN_WAIT_MS": "0",
            "GRANDSTAND_EDGE_EDGE_DRAIN_MS": "1000",
            **environment,
        }
        arguments = [self.program, "edge", *self.nats_url, "--shards", "1", "--listen", f"127.0.0.1:{port}", "--name", name]
        edge = self.add(Grandstand(name, arguments, self.folder, settings))
        edge.url = f"ws://127.0.0.1:{port}"
        await edge.ready()
        return edge

    async def worker(self, name):
        worker = self.add(Grandstand(name, [self.program, "worker", *self.nats_url], self.folder))
        await worker.ready()
        return worker

    def token(self, player, room, role="player", ttl="1h"):
        command = [self.program, "token", "--user", player, "--room", f"{room}={role}", "--ttl", ttl, "--secret", SECRET]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def owner(self, room, workers):
        """The worker that owns a room."""
        return next(worker for worker in workers if worker.page(f"/v1/rooms/{room}")[0] == 200)

    async def kill(self, process):
        process.process.send_signal(signal.SIGKILL)
        process.process.wait()

    async def stop(self, process):
        process.process.terminate()
        await process.until(lambda: process.process.poll() is not None, "its end")

    def copy(self, name, to):
        shutil.rmtree(self.path(to), ignore_errors=True)
        shutil.copytree(self.path(name), self.path(to))

    async def end(self):
        for process in reversed(self.started):
            if process.process.poll() is None:
                process.process.kill()
        for process in self.started:
            process.process.wait()
