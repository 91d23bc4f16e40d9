"""A program of a page that runs."""

import asyncio
import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WAIT_S = 60


class Program:
    """A program of a page, with what it has said so far."""

    def __init__(self, command, *arguments, **environment):
        settings = {**os.environ, "PYTHONPATH": str(ROOT / "clients/python/src"), **environment}
        self.process = subprocess.Popen(
            [*command, *arguments], env=settings, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.lines, self.name = [], f"{pathlib.Path(command[-1]).name} {' '.join(arguments)}"
        self.reader = asyncio.create_task(self.read())

    async def read(self):
        while line := await asyncio.to_thread(self.process.stdout.readline):
            self.lines.append(line.rstrip("\n"))

    def type(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    async def says(self, text, after=0):
        """Waits until it says a line that contains a text."""
        until = time.monotonic() + WAIT_S
        while not any(text in line for line in self.lines[after:]):
            ended = self.process.poll() is not None and self.reader.done()
            assert not ended and time.monotonic() < until, f"{self.name} does not say {text!r}: {self.lines}"
            await asyncio.sleep(0.02)

    def winners(self):
        return next(line for line in self.lines if line.startswith("the winners are "))

    async def ends(self):
        await asyncio.wait_for(self.reader, WAIT_S)
        assert self.process.wait(10) == 0, f"{self.name}: {self.lines}"

    def kill(self):
        self.process.kill()
        self.process.wait()
