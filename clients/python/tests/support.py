"""Servers for the tests."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from grandstand_client import Event, Room, Snapshot, Update

Script = Callable[["Peer"], Awaitable[None]]


def run(test: Callable[[], Awaitable[None]], seconds: float = 20.0) -> None:
    """Runs a test, and fails if it leaves a task behind or an exception that nobody has handled."""
    unhandled: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        async with asyncio.timeout(seconds):
            await test()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"the test left {left}"

    asyncio.run(main())
    assert not unhandled


class Peer:
    """The server's end of one connection."""

    def __init__(self, ws: ServerConnection, number: int) -> None:
        self.ws, self.number = ws, number

    async def say(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            await self.ws.send(json.dumps(message))

    async def hear(self, kind: str) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(await self.ws.recv())
            if message["type"] == kind:
                return message

    async def welcome(self, **fields: Any) -> None:
        await self.say({"type": "welcome", "protocol": 1, "heartbeat_ms": 25000, "limits": {"window": 64}} | fields)

    async def enter(self, last_seq: int = 0, room: str = "quiz-1") -> dict[str, Any]:
        """Welcomes the client and lets it join."""
        await self.welcome()
        join = await self.hear("join")
        joined = {"type": "joined", "id": join["id"], "room": room, "role": "player", "instance": "1"}
        await self.say(joined | {"last_seq": last_seq})
        if "since" not in join:
            await self.say({"type": "snapshot", "room": room, "epoch": "e", "version": 1, "patch": "merge", "data": {"n": 1}})
        return join


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[str]:
    """A server that plays `script` with each connection."""
    count = 0

    async def handle(ws: ServerConnection) -> None:
        nonlocal count
        count += 1
        with suppress(ConnectionClosed):
            await script(Peer(ws, count))
            await ws.wait_closed()

    async with serve(handle, "127.0.0.1", 0, close_timeout=0.1) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def count(state: Any, update: Any) -> Any:
    """The view of a room of `relay` after an update."""
    return state | {"count": state["count"] + 1}


def watch(room: Room) -> list[str]:
    """Checks that each update follows what came before. Returns the list of faults, to which it adds."""
    faults: list[str] = []
    version = room.machine.version

    def look(event: Event) -> None:
        nonlocal version
        if isinstance(event, Update) and event.prev != version:
            faults.append(f"version {event.version} after {version}")
        if isinstance(event, Update | Snapshot):
            version = event.version

    room.listen(look)
    return faults


class Process:
    """A program, which is ready when the page /ready of its admin port says so."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str], ready: bool = True) -> None:
        admin = free_port()
        command = [*command, "--admin", f"127.0.0.1:{admin}"] if ready else command
        with log.open("ab") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | environment)
        deadline = time.monotonic() + 30
        while ready and time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{admin}/ready", timeout=2):
                return
            time.sleep(0.05)
        assert not ready, f"{command} is not ready; see {log}"

    def end(self, number: signal.Signals) -> int:
        """Ends the process. Returns its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        return self._process.wait(30)


class Dev:
    """`grandstand dev` with a folder for its rooms."""

    def __init__(self, folder: Path, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        program = os.environ.get("GRANDSTAND_BIN")
        if program is None:
            pytest.skip("GRANDSTAND_BIN names no program")
        self.program, self._environment = program, environment or {}
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self._command = [program, "dev", "--listen", f"127.0.0.1:{self.port}"]
        self._command += ["--data", str(folder), "--secret", "0123456789abcdef0123456789abcdef", *arguments]
        self._log = folder.parent / "dev.log"

    def start(self) -> None:
        self._process = Process(self._command, self._log, self._environment)

    def kill(self) -> None:
        self._process.end(signal.SIGKILL)
