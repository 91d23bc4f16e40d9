"""The games of docs/games/first-game.md and docs/coming-from, which are compiled into `grandstand-docs` from the pages.

    test_games.py GRANDSTAND_DOCS

The server holds the conversation that the first page prints. Two clients of each other page play, as they stand there, and a third
one is refused; the server is killed in the middle and starts again.
"""

import asyncio
import json
import os
import pathlib
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import asynccontextmanager

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent / "python"))

import websockets  # noqa: E402
from markdown import programs  # noqa: E402
from processes import Process  # noqa: E402
from program import Program  # noqa: E402
from servers import Servers  # noqa: E402

JS = FOLDER.parents[1] / "clients/js"
PRINTED = "ws://127.0.0.1:8080"
PAGES = ("coming-from/socket-io.md", "coming-from/colyseus.md")


def joined(dev, room):
    """Whether spectators see the room."""
    try:
        return urllib.request.urlopen(f"{dev.url.replace('ws:', 'http:')}/v1/rooms/{room}?user=sue&role=spectator", timeout=5)
    except urllib.error.HTTPError:
        return False


def is_printed(printed, message):
    """Whether a message is the printed one; `…` stands for any value."""
    if isinstance(printed, dict) and isinstance(message, dict):
        return printed.keys() == message.keys() and all(is_printed(value, message[key]) for key, value in printed.items())
    return printed in ("…", message)


async def converse(servers):
    """Holds the conversation of the first game."""
    (conversation,) = programs("games/first-game.md", "text")
    dev = await servers.dev()
    async with websockets.connect(f"{dev.url}/v1/ws?user=alice", proxy=None) as socket:
        assert json.loads(await socket.recv())["type"] == "welcome"
        for line in conversation.splitlines():
            if line.startswith("> "):
                await socket.send(line[2:])
                continue
            message = {"type": "presence"}
            while message["type"] == "presence":
                message = json.loads(await asyncio.wait_for(socket.recv(), 20))
            assert is_printed(json.loads(line[2:]), message), (line, message)
    await servers.kill(dev)
    print("games/first-game.md: the conversation is as printed")


@asynccontextmanager
async def sit_down(dev, user, room):
    """A player who joins and does nothing."""
    async with websockets.connect(f"{dev.url}/v1/ws?user={user}", proxy=None) as socket:
        await socket.recv()
        await socket.send(json.dumps({"type": "join", "room": room}))
        assert json.loads(await socket.recv())["type"] == "joined"
        yield


async def play(page, folder, servers, started):
    (code,) = [code for code in programs(page, "js") if "@grandstand/client" in code]
    dev = await servers.dev("--data", servers.path("data"), GRANDSTAND_EDGE_EDGE_API="true")
    assert PRINTED in code
    client = folder / "client.mjs"
    client.write_text(code.replace(PRINTED, dev.url))
    programs_of = [Program(["node", client], "twentyone-1", user) for user in ("alice", "bob")]
    started.extend(programs_of)
    alice, bob = programs_of
    await asyncio.gather(alice.ends(), bob.ends())
    assert alice.lines[-1] == bob.lines[-1] and alice.lines[-1] in ("alice wins", "bob wins"), (alice.lines, bob.lines)
    async with sit_down(dev, "alice", "twentyone-3"), sit_down(dev, "bob", "twentyone-3"):
        carol = Program(["node", client], "twentyone-3", "carol")
        started.append(carol)
        await carol.says("not in the room: room_full")
        await carol.ends()
    print(f"{page}: {alice.lines[-1]}, and a third player is told room_full")
    # One player is there when the server dies, the other comes afterwards.
    alice = Program(["node", client], "twentyone-2", "alice")
    started.append(alice)
    await dev.until(lambda: joined(dev, "twentyone-2"), "alice in twentyone-2")
    await servers.kill(dev)
    dev.start()
    await dev.ready()
    bob = Program(["node", client], "twentyone-2", "bob")
    started.append(bob)
    await asyncio.gather(alice.ends(), bob.ends())
    assert alice.lines[-1] == bob.lines[-1], (alice.lines, bob.lines)
    print(f"{page}: the same after a restart, {alice.lines[-1]}")
    await servers.kill(dev)


async def test(program, folder):
    servers = Servers(program, None, str(folder))
    try:
        await converse(servers)
    finally:
        await servers.end()
    (folder / "node_modules/@grandstand").mkdir(parents=True)
    (folder / "node_modules/@grandstand/client").symlink_to(JS)
    (folder / "node_modules/ws").symlink_to(JS / "node_modules/ws")
    for page in PAGES:
        started = []
        place = folder / page.replace("/", "-")
        place.mkdir()
        servers = Servers(program, None, str(place))
        try:
            await play(page, place, servers, started)
        finally:
            for one in started:
                one.kill()
            await servers.end()


def main():
    if not shutil.which("node") or not (JS / "dist").is_dir():
        print("node or clients/js/dist is missing")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(test(os.path.abspath(sys.argv[1]), pathlib.Path(folder)))
        finally:
            Process.end_all()
    print("passed")


main()
