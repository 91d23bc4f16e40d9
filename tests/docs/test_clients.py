"""The programs of docs/clients, as they stand there, with a real `grandstand dev`.

    test_clients.py GRANDSTAND

The robots of three languages play `memory` against each other, and the chat sends lines. Meanwhile the server is killed and starts
again. A robot that is one too many is told so, and one with a token needs no `?user=`. The chat is also moved from one edge to
another that drains. A language whose tools are missing is left out, and the last line says so.
"""

import asyncio
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent / "python"))

from markdown import programs  # noqa: E402
from processes import Process  # noqa: E402
from program import WAIT_S, Program  # noqa: E402
from servers import Servers  # noqa: E402

ROOT = FOLDER.parents[1]
missing = []


def prepare(folder):
    """Writes the programs into the folder. Returns the command of each by name."""
    commands = {}
    js = ROOT / "clients/js"
    if shutil.which("node") and (js / "dist").is_dir():
        modules = folder / "node_modules"
        (modules / "@grandstand").mkdir(parents=True)
        (modules / "@grandstand/client").symlink_to(js)
        (modules / "ws").symlink_to(js / "node_modules/ws")
        (folder / "robot.mjs").write_text(programs("clients/javascript.md", "js")[0])
        commands["javascript"] = ["node", folder / "robot.mjs"]
    (folder / "robot.py").write_text(programs("clients/python.md", "python")[0])
    commands["python"] = [sys.executable, "-u", folder / "robot.py"]
    if shutil.which("mcs"):
        (folder / "Robot.cs").write_text(programs("clients/csharp.md", "csharp")[0])
        sources = sorted((ROOT / "clients/csharp/Runtime").glob("*.cs"))
        compiled = subprocess.run(["mcs", f"-out:{folder}/robot.exe", *sources, folder / "Robot.cs"], capture_output=True, text=True)
        assert compiled.returncode == 0, compiled.stdout + compiled.stderr
        commands["csharp"] = ["mono", "--debug", folder / "robot.exe"]
    missing.extend({"javascript", "csharp"} - set(commands))
    (folder / "chat.py").write_text(programs("clients/by-hand.md", "python")[0])
    commands["chat"] = [sys.executable, "-u", folder / "chat.py"]
    return commands


def create(servers, dev, room, params):
    """Creates a room, as a back end does."""
    headers = {"Authorization": f"Bearer {servers.token('tests', '*', 'service')}"}
    body = json.dumps({"room": room, "params": params}).encode()
    with urllib.request.urlopen(urllib.request.Request(dev.url.replace("ws:", "http:") + "/v1/rooms", body, headers), timeout=10) as answer:
        assert answer.status == 202, answer.status


def look(dev, room):
    """The view of a room, as spectators see it."""
    url = f"{dev.url.replace('ws:', 'http:')}/v1/rooms/{room}?user=sue&role=spectator"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


async def until(holds, what):
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}"
        await asyncio.sleep(0.02)


async def robots_play(commands, servers, dev, started):
    """Each robot plays against the next language's, while the server is killed once."""
    languages = [name for name in commands if name != "chat"]
    pairs = []
    for at, language in enumerate(languages):
        room, other = f"memory-{language}", languages[(at + 1) % len(languages)]
        create(servers, dev, room, {"hide_ms": 500})
        pairs.append([Program(commands[name], room, f"{name}-{number}", SERVER=dev.url) for number, name in enumerate((language, other))])
    started.extend(program for pair in pairs for program in pair)
    for room in (f"memory-{language}" for language in languages):
        await until(lambda: any(look(dev, room)["cards"]), f"a move in {room}")
    await servers.kill(dev)
    for program in started:
        await program.says("econnecting")
    dev.start()
    await dev.ready()
    for first, second in pairs:
        await asyncio.gather(first.ends(), second.ends())
        assert first.winners() == second.winners(), (first.lines, second.lines)
        print(f"{first.name} and {second.name} play to the end across a restart: {first.winners()}")


async def one_is_too_many(commands, servers, dev, started):
    create(servers, dev, "memory-full", {"players": 2, "bots": 1})
    for name in commands:
        if name == "chat":
            continue
        room = f"memory-full-{name}"
        create(servers, dev, room, {"bots": 1})
        first = Program(commands[name], room, "first", SERVER=dev.url, TOKEN=servers.token("first", "memory-*"))
        started.append(first)
        await until(lambda: "first" in look(dev, room)["players"], f"a player with a token in {room}")
        late = Program(commands[name], room, "late", SERVER=dev.url)
        started.append(late)
        await late.says("not in the room: room_full")
        await late.ends()
        print(f"{name}: a token admits the first player, and a third one is told room_full")


def count(chat):
    """The lines that a chat knows of: those in its snapshot, and the updates after it."""
    snapshot = next((at for at, line in reversed(list(enumerate(chat.lines))) if line.startswith("(")), None)
    return 0 if snapshot is None else int(chat.lines[snapshot][1:].split()[0]) + len(chat.lines) - snapshot - 1


async def lines_survive(commands, servers, dev, started):
    chat = Program(commands["chat"], "relay-chat", "alice", SERVER=dev.url)
    started.append(chat)
    chat.type("one")
    await chat.says("alice: one")
    await servers.kill(dev)
    await chat.says("connection:")
    for line in ("two", "three"):
        chat.type(line)
    dev.start()
    await dev.ready()
    chat.type("four")
    chat.process.stdin.close()
    await chat.says("all sent")
    await chat.ends()
    late = Program(commands["chat"], "relay-chat", "bob", SERVER=dev.url)
    started.append(late)
    late.type("last")
    await late.says("bob: last")
    late.process.stdin.close()
    await late.ends()
    said = [line for line in late.lines if line.startswith("(") or ": " in line]
    assert sum(line.startswith("alice: ") for line in said) + int(said[0].split()[0][1:]) == 4, late.lines
    print("lines survive the server:", chat.lines)


async def lines_survive_a_drain(commands, servers, started):
    """The chat connects to a port behind which the edge changes, as behind a load balancer."""
    await servers.nats()
    await servers.worker("worker")
    edges = [await servers.edge(name) for name in ("one", "two")]
    current = edges[0]

    async def carry(reader, writer):
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", int(current.url.rsplit(":", 1)[1]))
        await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer), return_exceptions=True)

    async def pump(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    balancer = await asyncio.start_server(carry, "127.0.0.1", 0)
    address = f"ws://127.0.0.1:{balancer.sockets[0].getsockname()[1]}"
    chat = Program(commands["chat"], "relay-chat", "alice", SERVER=address, TOKEN=servers.token("alice", "relay-*"))
    started.append(chat)
    chat.type("one")
    await chat.says("alice: one")
    current = edges[1]
    edges[0].process.terminate()
    for line in range(100):
        chat.type(f"line {line}")
        await asyncio.sleep(0.02)
    await edges[0].ended(edges[0].process)
    chat.type("last")
    await chat.says("alice: last")
    said = [line for line in chat.lines if line.startswith("alice: ")]
    lines = ["alice: one", *(f"alice: line {line}" for line in range(100)), "alice: last"]
    snapshots = [line for line in chat.lines if line.startswith("(")]
    assert not any("not sent" in line for line in chat.lines), chat.lines
    if len(snapshots) == 1:
        assert said == lines, chat.lines
    else:  # a snapshot stands for the updates before it
        places = [lines.index(line) for line in said]
        assert places == sorted(set(places)), chat.lines
    late = Program(commands["chat"], "relay-chat", "bob", SERVER=edges[1].url, TOKEN=servers.token("bob", "relay-*"))
    started.append(late)
    await until(lambda: count(late) == len(lines), f"{len(lines)} lines in the room: {late.lines}")
    chat.process.stdin.close()
    await chat.ends()
    balancer.close()
    print(f"lines survive a drain: {len(lines)} of {len(lines)}, each once and in order, snapshots: {len(snapshots)}")


async def test(program, nats_server, folder):
    commands = prepare(folder)
    servers, started = Servers(program, nats_server, str(folder)), []
    try:
        dev = await servers.dev("--data", servers.path("data"), GRANDSTAND_EDGE_EDGE_API="true")
        await robots_play(commands, servers, dev, started)
        await one_is_too_many(commands, servers, dev, started)
        await lines_survive(commands, servers, dev, started)
        await lines_survive_a_drain(commands, servers, started)
    finally:
        for one in started:
            one.kill()
        await servers.end()


def main():
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(test(os.path.abspath(sys.argv[1]), sys.argv[2], pathlib.Path(folder)))
        finally:
            Process.end_all()
    print("passed" + (f", without {' and '.join(missing)}" if missing else ""))


main()
