"""The client and a real `grandstand dev`, which GRANDSTAND_BIN names."""

import asyncio
import random
from contextlib import suppress
from typing import Any

import pytest
from support import Dev, count, run, watch

from grandstand_client import Backoff, Client, JoinError, RejectedError, Room, Status, TokenError, connect

FAST = Backoff(0.1, 0.5)


async def reach(room: Room, reached: Any) -> None:
    async for _ in room.events():
        if reached(room.state):
            return


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_plays_memory_to_the_end(dev: Dev, encoding: str) -> None:
    async def play(client: Client, name: str, seed: int) -> Any:
        room = await client.join("memory-1", params={"rows": 2, "cols": 2, "hide_ms": 50}, reducer=memory)
        choose = random.Random(seed)
        async for _ in room.events():
            state = room.state
            if state["phase"] == "over":
                break
            if state["turn"] == name and len(state["open"]) < 2:
                with suppress(RejectedError):  # the next update came too late
                    hidden = [at for at, face in enumerate(state["cards"]) if not face]
                    await room.send({"op": "flip", "card": choose.choice(hidden)})
        return room.state

    async def test() -> None:
        async with (
            connect(f"{dev.url}?user=alice", encoding=encoding) as alice,
            connect(f"{dev.url}?user=bob", encoding=encoding) as bob,
        ):
            ends = await asyncio.gather(play(alice, "alice", 1), play(bob, "bob", 2))
        assert ends[0] == ends[1]
        assert sum(ends[0]["scores"].values()) == 2

    run(test)


def memory(state: Any, update: Any) -> Any:
    """The view of `memory` after an update, as docs/protocol.md has it."""
    state = state | {"cards": list(state["cards"]), "open": list(state["open"])}
    match update["kind"]:
        case "waiting":
            state |= {"players": update["players"]}
        case "started":
            state |= {"phase": "playing", "turn": update["turn"], "players": update["players"]}
        case "flipped":
            state["cards"][update["card"]] = update["face"]
            state["open"].append(update["card"])
        case "matched":
            state |= {"open": [], "scores": update["scores"]}
        case "hidden":
            state["open"] = []
            for card in update["cards"]:
                state["cards"][card] = None
        case "turn":
            state["turn"] = update["player"]
        case "over":
            state |= {"phase": "over", "scores": update["scores"], "winners": update["winners"], "turn": None}
    return state | {"deadline_ms": None}


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_a_kill_of_the_server_loses_and_repeats_nothing(dev: Dev, encoding: str) -> None:
    """Three clients count what happens in a room while its server is killed twice. An update that is lost or repeated, or an
    input that is lost or applied twice, makes their counts differ from the number of inputs."""
    inputs, stop = 0, False

    async def play(room: Room, name: str) -> None:
        nonlocal inputs
        while not stop:
            await asyncio.gather(*(room.send([name, inputs + n]) for n in range(5)))
            inputs += 5
            await asyncio.sleep(0.01)

    async def test() -> None:
        nonlocal stop
        options: Any = {"encoding": encoding, "backoff": FAST}
        async with (
            connect(f"{dev.url}?user=alice", **options) as alice,
            connect(f"{dev.url}?user=bob", **options) as bob,
            connect(f"{dev.url}?user=carol", **options) as carol,
        ):
            rooms = [await client.join("relay-1", reducer=count) for client in (alice, bob)]
            rooms.append(await carol.join("relay-1", role="spectator", reducer=count))
            faults = [watch(room) for room in rooms]
            seen: list[str] = []
            carol.listen(lambda event: seen.append(event.status) if isinstance(event, Status) else None)
            players = [asyncio.create_task(play(room, name)) for room, name in zip(rooms, ["a", "b"], strict=False)]
            for _ in range(2):
                await asyncio.sleep(0.5)
                await asyncio.to_thread(dev.kill)
                await asyncio.to_thread(dev.start)
            await asyncio.sleep(0.5)
            stop = True
            await asyncio.gather(*players)
            async with asyncio.timeout(5):
                await asyncio.gather(*(reach(room, lambda state: state["count"] >= inputs) for room in rooms))
            await asyncio.sleep(0.2)
            assert [room.state["count"] for room in rooms] == [inputs] * 3
            assert faults == [[], [], []]
            assert seen.count("connected") == 2
            assert inputs > 20

    run(test, 60)


def test_errors_say_what_the_server_says(dev: Dev) -> None:
    async def test() -> None:
        with pytest.raises(TokenError) as refused:
            async with connect(dev.url, token="eyJ.not.valid"):
                pass
        assert refused.value.close_code == 4001
        async with connect(f"{dev.url}?user=alice") as client:
            with pytest.raises(JoinError) as unknown:
                await client.join("nothing-1")
            assert unknown.value.code == "no_such_game"
            room = await client.join("memory-1")
            with pytest.raises(RejectedError) as rejected:
                await room.send({"op": "flip", "card": 0})
            assert (rejected.value.code, rejected.value.seq) == ("not_started", 1)
            await room.leave()
            assert room.left
            assert not client.rooms
            assert await client.ping() > 1_700_000_000_000

    run(test)


def test_live_and_bytes_reach_the_others(dev: Dev) -> None:
    async def test() -> None:
        async with connect(f"{dev.url}?user=alice") as alice, connect(f"{dev.url}?user=bob", encoding="protobuf") as bob:
            sender, receiver = await alice.join("relay-1"), await bob.join("relay-1")
            got: asyncio.Queue[Any] = asyncio.Queue()
            receiver.listen(got.put_nowait)
            sender.live({"x": 1})
            sender.live(b"\0\xff")
            await sender.send([1, 2])
            seen = [await got.get() for _ in range(3)]
            assert sorted(type(event).__name__ for event in seen if not isinstance(event, Status)) == ["Live", "Live", "Update"]
            assert [event.data for event in seen if type(event).__name__ == "Live"] == [{"x": 1}, b"\0\xff"]

    run(test)
