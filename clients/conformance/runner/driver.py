"""The driver of an SDK: a subprocess that speaks JSON lines."""

import asyncio
import contextlib
import json
from collections import deque


class DriverGone(Exception):
    """The driver ended or wrote something that is not an event."""


class Driver:
    """A running driver. It serves one case at a time; `on_event` gets the events."""

    def __init__(self, command):
        self.command = command
        self.process = None
        self.ready = None
        self.on_event = None
        self.problem = None
        self.errors = deque(maxlen=40)  # the last lines of its stderr
        self.tasks = []
        self.next_id = 1

    async def start(self, timeout=30):
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=16 * 1024 * 1024,
        )
        self.tasks = [asyncio.ensure_future(self.read_errors())]
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), timeout)
            self.ready = json.loads(line)
        except (asyncio.TimeoutError, ValueError) as error:
            await asyncio.sleep(0.1)
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            raise DriverGone(f"the driver did not begin with a line of JSON: {error!r}{self.stderr()}") from None
        if not isinstance(self.ready, dict) or self.ready.get("event") != "ready":
            raise DriverGone(f"the first line of the driver is not the event `ready`: {line[:200]!r}")
        self.tasks.append(asyncio.ensure_future(self.read()))

    async def read(self):
        while line := await self.process.stdout.readline():
            try:
                event = json.loads(line)
                if not isinstance(event, dict) or not isinstance(event.get("event"), str):
                    raise ValueError("no object with `event`")
            except ValueError as error:
                self.problem = f"the driver wrote a line that is not an event ({error}): {line[:200]!r}"
                event = {"event": "gone"}
            if self.on_event:
                self.on_event(event)
        self.problem = self.problem or "the driver ended"
        if self.on_event:
            self.on_event({"event": "gone"})

    async def read_errors(self):
        while line := await self.process.stderr.readline():
            self.errors.append(line.decode(errors="replace").rstrip())

    def stderr(self):
        return "".join(f"\n    stderr: {line}" for line in self.errors)

    def command_line(self, command):
        """Writes a command, with a new id. Returns the id."""
        id, self.next_id = self.next_id, self.next_id + 1
        line = json.dumps({"id": id, **command}) + "\n"
        with contextlib.suppress(OSError):
            self.process.stdin.write(line.encode())
        return id

    async def stop(self):
        """Ends stdin, and the process if it does not end by itself. Returns a problem, or None."""
        if not self.process:
            return None
        problem = None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            code = await asyncio.wait_for(self.process.wait(), 5)
            if code != 0:
                problem = f"the driver exited with {code} after the end of stdin{self.stderr()}"
        except asyncio.TimeoutError:
            problem = f"the driver did not exit within 5 s after the end of stdin{self.stderr()}"
            with contextlib.suppress(asyncio.TimeoutError, ProcessLookupError):
                self.process.kill()
                await asyncio.wait_for(self.process.wait(), 5)
        for task in self.tasks:
            task.cancel()
        return problem
