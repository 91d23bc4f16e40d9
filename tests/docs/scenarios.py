"""The conversations of docs/protocol/transcripts.md, each with real servers of its own."""

import asyncio

RELAY, INPUT = "relay-1", {"type": "input", "room": "relay-1"}


def say(seq, text, **more):
    return INPUT | {"seq": seq} | more | {"data": text}


def resume(snapshot_or_update, epoch, attempt):
    known = {"since": snapshot_or_update["version"], "epoch": epoch}
    return {"type": "join", "id": 1, "room": RELAY} | known | {"client": "f00d", "attempt": attempt}


async def enter(transcript, name, url, query, attempt=1, **more):
    """Connects and joins the room as a player for the first time. Returns the wire and the snapshot."""
    wire = await transcript.connect(name, url, query)
    await wire.hear("welcome")
    await wire.say({"type": "join", "id": 1, "room": RELAY, "client": "f00d" if name[0] == "a" else "beef", "attempt": attempt} | more)
    return wire, await wire.hear("snapshot")


async def connect(transcript, servers):
    dev = await servers.dev()
    alice = await transcript.connect("alice", dev.url, "?user=alice", keeps_presence=True)
    await alice.hear("welcome")
    await alice.say({"type": "join", "id": 1, "room": RELAY, "client": "f00d", "attempt": 1})
    await alice.hear("presence")
    await alice.say(say(1, "hello", id=2))
    await alice.hear("ack")
    await alice.say({"type": "leave", "id": 3, "room": RELAY})
    await alice.hear("left")
    await alice.close()


async def reject(transcript, servers):
    dev = await servers.dev()
    alice = await transcript.connect("alice", dev.url, "?user=alice")
    await alice.hear("welcome")
    await alice.say({"type": "join", "id": 1, "room": "memory-1"})
    await alice.hear("snapshot")
    for seq in (1, 2):
        await alice.say({"type": "input", "id": seq + 1, "room": "memory-1", "seq": seq, "data": {"op": "flip", "card": 0}})
        await alice.hear("ack")
    await alice.cut()
    alice = await transcript.connect("alice", dev.url, "?user=alice")
    await alice.hear("welcome")
    await alice.say({"type": "join", "id": 1, "room": "memory-1"})
    await alice.hear("ack")


async def errors(transcript, servers):
    dev = await servers.dev()
    alice = await transcript.connect("alice", dev.url, "?user=alice")
    await alice.hear("welcome")
    for wrong in (
        "hello",
        {"type": "fly", "id": 1},
        say(1, "too early", id=2),
        {"type": "join", "id": 3, "room": "chess-1"},
        {"type": "join", "id": 4, "room": "a.b"},
    ):
        await alice.say(wrong)
        await alice.hear("error")
    await alice.say({"type": "join", "id": 5, "room": RELAY})
    await alice.hear("snapshot")
    await alice.say(say(3, "a gap", id=6))
    await alice.hear("error")
    await alice.silent()


async def reconnect(transcript, servers):
    dev = await servers.dev()
    alice, _ = await enter(transcript, "alice", dev.url, "?user=alice")
    await alice.say(say(1, "one", id=2))
    update = await alice.hear("update")
    await alice.hear("ack")
    await alice.cut()
    alice = await transcript.connect("alice", dev.url, "?user=alice")
    await alice.hear("welcome")
    await alice.say(resume(update, await epoch_of(transcript), 2))
    await alice.hear("ack")
    await alice.silent()


async def epoch_of(transcript):
    """The epoch of the last snapshot that was written down."""
    line = next(line for line in reversed(transcript.lines) if '"type":"snapshot"' in line)
    return line.split('"epoch":"')[1].split('"')[0]


async def resend(transcript, servers):
    dev = await servers.dev()
    bob, _ = await enter(transcript, "bob", dev.url, "?user=bob")
    alice, snapshot = await enter(transcript, "alice", dev.url, "?user=alice")
    epoch = await epoch_of(transcript)
    await alice.say(say(1, "one", id=2))
    await bob.hear("update")
    await alice.cut("loses the connection before the answer arrives")
    await bob.say(say(1, "two", id=2))
    await bob.hear("ack")
    alice = await transcript.connect("alice", dev.url, "?user=alice")
    await alice.hear("welcome")
    await alice.say(resume(snapshot, epoch, 2))
    await alice.hear("joined")
    await alice.say(say(1, "one", id=2))
    await alice.hear("ack")


async def gap(transcript, servers):
    dev = await servers.dev()
    alice, _ = await enter(transcript, "alice", dev.url, "?user=alice")
    await alice.say(say(1, "one", id=2))
    await alice.hear("ack")
    alice.happens("loses version 1 to a fault of its own")
    await alice.say(say(2, "two", id=3))
    await alice.hear("ack")
    alice.happens("sees that `prev` is not its version, 0")
    await alice.say({"type": "join", "id": 4, "room": RELAY, "client": "f00d", "attempt": 1})
    await alice.hear("ack")
    await alice.silent()


async def waiting(transcript, servers):
    dev = await servers.dev()
    sue = await transcript.connect("sue", dev.url, "?user=sue&role=spectator")
    await sue.hear("welcome")
    await sue.say({"type": "join", "id": 1, "room": RELAY, "role": "spectator"})
    await sue.hear("joined")
    await sue.silent()
    await enter(transcript, "alice", dev.url, "?user=alice")
    snapshot = await sue.hear("snapshot")
    await sue.silent()
    sue.happens("wants to know the instance, and joins again")
    again = {"since": snapshot["version"], "epoch": snapshot["epoch"]}
    await sue.say({"type": "join", "id": 2, "room": RELAY, "role": "spectator"} | again)
    await sue.hear("joined")
    await sue.silent()


async def replaced(transcript, servers):
    dev = await servers.dev()
    first, snapshot = await enter(transcript, "alice-1", dev.url, "?user=alice")
    second, _ = await enter(transcript, "alice-2", dev.url, "?user=alice", client="cafe")
    await first.closed()
    await second.silent()


async def token(transcript, servers):
    dev = await servers.dev()
    alice = await transcript.connect("alice", dev.url, "?token=" + servers.token("alice", "relay-*", ttl="30s"))
    await alice.hear("welcome")
    await alice.hear("notice")
    await alice.say({"type": "join", "id": 1, "room": RELAY})
    await alice.hear("snapshot")
    await alice.say({"type": "auth", "id": 2, "token": servers.token("alice", "relay-*")})
    await alice.hear("notice")
    await alice.say({"type": "auth", "id": 3, "token": servers.token("bob", "relay-*")})
    await alice.hear("error")
    await alice.silent()


async def refused(transcript, servers):
    dev = await servers.dev()
    alice = await transcript.connect("alice", dev.url, "?token=e30.e30.e30")
    await alice.closed()


async def drain(transcript, servers):
    await servers.nats()
    await servers.worker("w")
    one, two = await servers.edge("one"), await servers.edge("two")
    query = "?token=" + servers.token("alice", "relay-*")
    first, snapshot = await enter(transcript, "alice-1", one.url, query)
    epoch = snapshot["epoch"]
    await first.say(say(1, "one", id=2))
    update = await first.hear("update")
    await first.hear("ack")
    transcript.happens("the edge is told to shut down (TERM)")
    one.process.terminate()
    await first.hear("notice")
    first.happens("waits for reconnect_in_ms; this connection stays in use")
    second = await transcript.connect("alice-2", two.url, query)
    await second.hear("welcome")
    await second.say(resume(update, epoch, 2))
    await second.hear("ack")
    await first.closed()
    await second.say(say(2, "two", id=2))
    await second.hear("ack")


async def takeover(transcript, servers):
    await servers.nats()
    workers = [await servers.worker(name) for name in ("left", "right")]
    edge = await servers.edge("edge")
    alice, snapshot = await enter(transcript, "alice", edge.url, "?token=" + servers.token("alice", "relay-*"))
    await alice.say(say(1, "one", id=2))
    await alice.hear("ack")
    owner = servers.owner(RELAY, workers)
    transcript.happens("the worker that owns the room is killed (KILL)")
    await servers.kill(owner)
    await alice.hear("snapshot")
    await alice.say(say(2, "two", id=3))
    await alice.hear("ack")


async def restarted(transcript, servers):
    dev = await servers.dev()
    alice, snapshot = await enter(transcript, "alice", dev.url, "?user=alice")
    await alice.say(say(1, "one", id=2))
    await alice.hear("ack")
    transcript.happens("the server loses all it has: a `dev` without --data ends and starts again")
    await servers.kill(dev)
    await alice.socket.wait_closed()
    dev.start()
    await dev.ready()
    alice = await transcript.connect("alice", dev.url, "?user=alice")
    await alice.hear("welcome")
    await alice.say(resume(snapshot, snapshot["epoch"], 2))
    await alice.hear("snapshot")


async def rollback(transcript, servers):
    dev = await servers.dev("--data", servers.path("data"))
    alice, snapshot = await enter(transcript, "alice", dev.url, "?user=alice")
    await alice.say(say(1, "one", id=2))
    await alice.hear("ack")
    await servers.stop(dev)
    servers.copy("data", "backup")
    transcript.lines.clear()
    dev.start()
    await dev.ready()
    alice, snapshot = await enter(transcript, "alice", dev.url, "?user=alice", attempt=2)
    await alice.say(say(2, "two", id=2))
    update = await alice.hear("update")
    await alice.hear("ack")
    transcript.happens("the server ends, and starts again from a backup that is older than input 2")
    await servers.stop(dev)
    servers.copy("backup", "data")
    dev.start()
    await dev.ready()
    alice = await transcript.connect("alice", dev.url, "?user=alice")
    await alice.hear("welcome")
    await alice.say(resume(update, snapshot["epoch"], 3))
    await alice.hear("ack")
    await alice.say(say(2, "another two", id=2))
    await alice.hear("ack")


async def rolled_back(transcript, servers):
    nats = await servers.nats()
    await servers.worker("worker")
    edge = await servers.edge("edge")
    alice, _ = await enter(transcript, "alice", edge.url, "?token=" + servers.token("alice", "relay-*"))
    await alice.say(say(1, "one", id=2))
    await alice.hear("ack")
    transcript.happens("NATS ends; a backup of its folder is made")
    await servers.stop(nats)
    servers.copy("nats", "backup")
    await alice.hear("notice")
    transcript.happens("NATS starts again")
    nats.start()
    await alice.hear("notice")
    await alice.say(say(2, "two", id=3))
    await alice.hear("ack")
    transcript.happens("NATS ends, and starts again with the backup, which is older than input 2")
    await servers.stop(nats)
    servers.copy("backup", "nats")
    await alice.hear("notice")
    nats.start()
    await alice.hear("error")
    await alice.say({"type": "join", "id": 4, "room": RELAY, "client": "f00d", "attempt": 1})
    await alice.hear("ack")
    await alice.say(say(2, "another two", id=5))
    await alice.hear("ack")


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        connect, reject, errors, reconnect, resend, gap, waiting, replaced, token, refused,
        drain, takeover, restarted, rollback, rolled_back,
    )
}
