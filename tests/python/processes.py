"""Processes for tests that start their own: NATS, workers, edges."""

import asyncio
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request

SECRET = "a secret of 32 bytes or more, for tests"
WAIT_S = 30


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


class Process:
    """A process with its log, stopped at the end."""

    running = []

    def __init__(self, name, arguments, folder, environment=None):
        self.name, self.arguments, self.environment = name, arguments, {**os.environ, **(environment or {})}
        self.log = open(os.path.join(folder, f"{name}.log"), "a+")
        self.process = None
        self.start()

    def start(self):
        """Starts the program. Returns the process that ran before, which goes on."""
        before = self.process
        self.process = subprocess.Popen(self.arguments, stdout=self.log, stderr=self.log, env=self.environment)
        Process.running.append(self.process)
        return before

    def tail(self):
        self.log.seek(0)
        return f"the log of {self.name} ends with:\n{self.log.read()[-3000:]}"

    async def until(self, holds, what):
        until = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < until, f"waited for {what}; {self.tail()}"
            await asyncio.sleep(0.05)

    async def ended(self, process):
        await self.until(lambda: process.poll() is not None, f"the end of process {process.pid}")
        assert process.returncode == 0, f"exit code {process.returncode}; {self.tail()}"

    @classmethod
    def end_all(cls):
        for process in reversed(cls.running):
            process.terminate()
        for process in cls.running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


class Grandstand(Process):
    """A process of Grandstand with its admin port."""

    def __init__(self, name, arguments, folder, environment=None):
        self.admin = free_port()
        super().__init__(name, [*arguments, "--admin", f"127.0.0.1:{self.admin}"], folder, environment)

    def page(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return None, ""

    async def ready(self):
        await self.until(lambda: self.page("/ready")[0] == 200, "/ready")

    def metric(self, name):
        """The value of a metric without labels, 0 if there is none."""
        found = re.search(rf"^grandstand_edge_{name} (\d+)", self.page("/metrics")[1], re.M)
        return int(found.group(1)) if found else 0


def start_nats(nats_server, folder):
    """Starts NATS. Returns the flags of programs that use it."""
    port = free_port()
    Process("nats", [nats_server, "-js", "-sd", os.path.join(folder, "nats"), "-a", "127.0.0.1", "-p", str(port)], folder)
    return ["--nats", f"nats://127.0.0.1:{port}"]
