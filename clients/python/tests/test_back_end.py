"""The programs of docs/back-end.md, as they stand there, with a real `grandstand dev` and its outlet."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import Dev, free_port, run

from grandstand_client import InputError, Update, connect

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs/back-end.md").read_text()
BACK_END, VOTER = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
(OUTLET,) = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
SETTINGS = dict(re.findall(r"export (GRANDSTAND_SECRET|WEBHOOK_SECRET)=(\S+)", DOCUMENT))


class BackEnd:
    """`dev` with an outlet, and the document's program."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        (folder / "outlet.toml").write_text(OUTLET.replace("127.0.0.1:9000", f"127.0.0.1:{self.port}"))
        environment = {"GRANDSTAND_EDGE_EDGE_API": "true"}
        self.dev = Dev(folder / "data", ["--outlet", str(folder / "outlet.toml")], environment)
        self.dev.start()
        service = [self.dev.program, "token", "--user", "polls", "--room", "http-poll-*=service"]
        token = subprocess.run(service, env=SETTINGS, capture_output=True, text=True, check=True).stdout.strip()
        (folder / "backend.py").write_text(BACK_END)
        edge = self.dev.url.replace("ws:", "http:")
        variables = os.environ | SETTINGS | {"SERVICE_TOKEN": token, "PORT": str(self.port), "EDGE": edge}
        self.process = subprocess.Popen([sys.executable, folder / "backend.py"], env=variables, stderr=subprocess.PIPE)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with suppress(OSError):
                self.ask("/")
                return
            time.sleep(0.05)
        raise AssertionError("the back end does not listen")

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data, timeout=20) as answer:
            return json.load(answer)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.dev.kill()


@pytest.fixture
def back_end(tmp_path: Path) -> Iterator[BackEnd]:
    program = os.environ.get("GRANDSTAND_BIN")
    if program is None or b"--outlet" not in subprocess.run([program, "dev", "--help"], capture_output=True, check=True).stdout:
        pytest.skip("GRANDSTAND_BIN names no program with the feature `outlet`")
    server = BackEnd(tmp_path)
    yield server
    server.close()


def test_a_poll(back_end: BackEnd) -> None:
    poll = back_end.ask("/polls", {"options": ["tea", "coffee"], "voters": ["alice", "bob", "carol"]})
    code = VOTER.replace("ws://127.0.0.1:8080", back_end.dev.url)

    def vote(player: str, option: str) -> str:
        arguments = [sys.executable, "-c", code, poll["room"], poll["tokens"][player], player, option]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    assert vote("alice", "tea") == "counted: {'coffee': 0, 'tea': 1}"
    assert vote("bob", "coffee") == "counted: {'coffee': 1, 'tea': 1}"
    assert vote("carol", "gin") == "not counted: no_such_option"
    assert vote("alice", "coffee") == "counted: {'coffee': 2, 'tea': 0}"
    assert back_end.ask("/polls/close", {"room": poll["room"]}) == {"open": True, "votes": {"tea": 0, "coffee": 2}}


def test_results_arrive(back_end: BackEnd) -> None:
    async def play(name: str) -> None:
        async with connect(f"{back_end.dev.url}?user={name}") as client:
            over = asyncio.Event()

            def look(event: Any) -> None:
                if isinstance(event, Update) and event.data["kind"] == "over":
                    over.set()

            room = await client.join("memory-1", params={"rows": 1, "cols": 2, "hide_ms": 20}, listener=look)
            while not over.is_set():
                for card in (0, 1):
                    with suppress(InputError):
                        await room.send({"op": "flip", "card": card})

    async def test() -> None:
        await asyncio.gather(play("alice"), play("bob"))
        await until(lambda: back_end.ask("/") != [], "a result")
        assert back_end.ask("/") in ([["alice"]], [["bob"]])

    run(test, 40)


async def until(holds: Callable[[], bool], what: str) -> None:
    for _ in range(150):
        if await asyncio.to_thread(holds):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"waited for {what}")


def test_an_unsigned_request_is_refused(back_end: BackEnd) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        back_end.ask("/results", {"id": "1", "data": {"players": [{"player": "eve", "won": True}]}})
    assert refused.value.code == 401
    refused.value.close()
    assert back_end.ask("/") == []
