"""The client and servers that misbehave."""

import asyncio
import http
import time
from typing import Any

import pytest
from support import Peer, free_port, run, scripted
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from grandstand_client import (
    Backoff,
    Client,
    ClosedError,
    ConnectError,
    InputError,
    JoinError,
    Left,
    LeftError,
    Problem,
    Snapshot,
    Status,
    TokenError,
    connect,
)
from grandstand_client.room import MOST_EVENTS

FAST = Backoff(0.05, 0.2)


def test_nothing_is_there() -> None:
    async def test() -> None:
        with pytest.raises(ConnectError) as refused:
            async with connect(f"ws://127.0.0.1:{free_port()}"):
                pass
        assert refused.value.code == "unreachable"

    run(test)


@pytest.mark.parametrize("status", [200, 302, 403, 404, 502])
def test_something_else_is_there(status: int) -> None:
    async def test() -> None:
        def answer(connection: ServerConnection, request: Request) -> Response:
            response = connection.respond(http.HTTPStatus(status), "<html>sign in first</html>")
            response.headers["Location"] = "http://portal.example/"
            return response

        async with serve(lambda _: asyncio.sleep(0), "127.0.0.1", 0, process_request=answer) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            with pytest.raises(ConnectError) as refused:
                async with connect(f"http://127.0.0.1:{port}"):
                    pass
        assert refused.value.code == "unreachable"
        assert refused.value.status == status
        assert "sign in first" in refused.value.message

    run(test)


def test_a_server_that_says_nothing() -> None:
    async def test() -> None:
        async def script(peer: Peer) -> None:
            await asyncio.sleep(0)

        async with scripted(script) as url:
            with pytest.raises(ConnectError) as refused:
                async with connect(url, timeout=0.1):
                    pass
        assert refused.value.code == "timeout"

    run(test)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://127.0.0.1", "ws://"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a server"):
        connect(url)


def test_an_input_survives_a_lost_connection() -> None:
    async def test() -> None:
        async def script(peer: Peer) -> None:
            join = await peer.enter()
            sent = await peer.hear("input")
            if peer.number == 1:
                peer.ws.transport.abort()
                return
            assert join["since"] == 1
            assert (sent["seq"], sent["data"]) == (1, "hello")
            await peer.say({"type": "ack", "room": "quiz-1", "seq": 1})

        async with scripted(script) as url, connect(url, backoff=FAST) as client:
            seen: list[Any] = []
            client.listen(seen.append)
            room = await client.join("quiz-1")
            await room.send("hello")
            assert [event.status for event in seen if isinstance(event, Status)] == ["reconnecting", "connected"]

    run(test)


def test_close_answers_everything() -> None:
    async def test() -> None:
        async def script(peer: Peer) -> None:
            await peer.enter()

        async with scripted(script) as url:
            async with connect(url) as client:
                room = await client.join("quiz-1")
                calls = [client.join("other-1"), client.set_token("t"), room.send(1), room.leave(), client.ping()]
                waiting = [asyncio.create_task(call) for call in calls]
                events = asyncio.create_task(collect(room))
                await asyncio.sleep(0.05)
            for result in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(result, ClosedError | LeftError), result
            assert (await events)[-1] == Status("closed", (await events)[-1].why)
            with pytest.raises(ClosedError):
                await room.send(2)

    run(test)


async def collect(room: Any) -> list[Any]:
    return [event async for event in room.events()]


def test_a_cancelled_join_leaves() -> None:
    async def test() -> None:
        left = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.welcome()
            await peer.hear("join")
            await peer.hear("leave")
            left.set()

        async with scripted(script) as url, connect(url) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.join("quiz-1")
            await left.wait()
            assert client.rooms == {}

    run(test)


def test_a_drained_connection_serves_on_if_the_next_one_is_lost() -> None:
    async def test() -> None:
        lost = asyncio.Event()

        async def script(peer: Peer) -> None:
            if peer.number == 2:
                await peer.welcome()
                await peer.hear("join")
                peer.ws.transport.abort()
                lost.set()
                return
            await peer.enter()
            if peer.number == 1:
                await peer.say({"type": "notice", "code": "draining", "reconnect_in_ms": 0})
                await lost.wait()
                await peer.say({"type": "update", "room": "quiz-1", "version": 2, "prev": 1, "data": {"n": 2}})
            else:
                await peer.say({"type": "update", "room": "quiz-1", "version": 3, "prev": 2, "data": {"n": 3}})

        async with scripted(script) as url, connect(url, backoff=FAST) as client:
            seen: list[Any] = []
            client.listen(seen.append)
            room = await client.join("quiz-1")
            async for _ in room.events():
                if room.state == {"n": 3}:
                    break
            assert [event.status for event in seen if isinstance(event, Status) and event.status != "connected"] == []

    run(test)


def test_another_token_after_a_refusal() -> None:
    async def test() -> None:
        tokens = iter(["old", "new"])

        async def get_token() -> str:
            return next(tokens)

        async def script(peer: Peer) -> None:
            assert peer.ws.request is not None
            if peer.ws.request.headers["Authorization"] == "Bearer old":
                await peer.say({"type": "error", "code": "unauthenticated", "message": "it has expired"})
                await peer.ws.close(4001)
            else:
                await peer.enter()

        async with scripted(script) as url, connect(url, get_token=get_token, backoff=FAST) as client:
            await client.join("quiz-1")

    run(test)


def test_no_other_connection_without_another_token() -> None:
    async def test() -> None:
        connections = 0

        async def script(peer: Peer) -> None:
            nonlocal connections
            connections += 1
            await peer.ws.close(4003)

        async with scripted(script) as url:
            client = Client(url, token="t", backoff=FAST, patient=True)
            client.start()
            with pytest.raises(TokenError):
                await client.join("quiz-1")
            await asyncio.sleep(0.3)
            assert (connections, client.status) == (1, "closed")
            await client.set_token("u")
            await asyncio.sleep(0.1)
            assert connections == 2
            await client.close()

    run(test)


def test_tokens_that_expire_at_once_are_not_renewed_in_a_loop() -> None:
    async def test() -> None:
        calls = 0

        async def get_token() -> str:
            nonlocal calls
            calls += 1
            return f"token-{calls}"

        async def script(peer: Peer) -> None:
            await peer.welcome()
            while True:
                await asyncio.sleep(0.01)
                await peer.say({"type": "notice", "code": "token_expiring"})
                auth = await peer.hear("auth")
                await peer.say({"type": "notice", "id": auth["id"], "code": "token_renewed"})

        async with scripted(script) as url, connect(url, get_token=get_token, backoff=Backoff(0.1, 0.4)):
            await asyncio.sleep(0.5)
        assert 2 <= calls <= 6

    run(test)


def test_a_listener_may_reconnect_at_once() -> None:
    async def test() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()
            if peer.number == 1:
                await peer.ws.close(4009)

        async with scripted(script) as url:
            client = Client(url, backoff=FAST, patient=True)
            again = asyncio.Event()

            def look(event: Any) -> None:
                if isinstance(event, Status) and event.status == "closed":
                    client.reconnect()
                    again.set()
                elif isinstance(event, Status) and event.status == "connected" and again.is_set():
                    back.set()

            back = asyncio.Event()
            client.listen(look)
            client.start()
            await back.wait()
            await client.close()

    run(test)


def test_a_silent_connection_is_dropped() -> None:
    async def test() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome(heartbeat_ms=100)
            await peer.hear("ping")
            if peer.number == 2:
                await peer.say({"type": "pong", "time_ms": 1})

        async with scripted(script) as url, connect(url, backoff=FAST) as client:
            seen: asyncio.Queue[Any] = asyncio.Queue()
            client.listen(seen.put_nowait)
            began = time.monotonic()
            event = await seen.get()
            assert (event.status, event.why.code) == ("reconnecting", "timeout")
            assert 0.15 < time.monotonic() - began < 1

    run(test)


def test_a_slow_reader_of_events_gets_a_snapshot() -> None:
    async def test() -> None:
        async def script(peer: Peer) -> None:
            await peer.enter()
            await peer.hear("live")
            for version in range(2, MOST_EVENTS + 100):
                await peer.say({"type": "update", "room": "quiz-1", "version": version, "prev": version - 1, "data": {}})
            join = await peer.hear("join")
            assert "since" not in join
            await peer.say({"type": "joined", "id": join["id"], "room": "quiz-1", "role": "player", "instance": "1"})
            snapshot = {"type": "snapshot", "room": "quiz-1", "epoch": "e", "version": 9999, "data": "whole"}
            await peer.say(snapshot, {"type": "left", "room": "quiz-1", "code": "finished"})

        async with scripted(script) as url, connect(url) as client:
            room = await client.join("quiz-1")
            reading = room.events()
            assert isinstance(await anext(reading), Snapshot)
            left = asyncio.Event()
            room.listen(lambda event: left.set() if isinstance(event, Left) else None)
            room.live("go")
            await left.wait()
            rest = [event async for event in reading]
            assert Snapshot("whole", 9999, "e", False) in rest
            assert len(rest) <= MOST_EVENTS

    run(test)


def test_a_callback_that_fails_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async def script(peer: Peer) -> None:
            await peer.enter()
            await peer.ws.send("no JSON")
            await peer.say({"type": "update", "room": "quiz-1", "version": 2, "prev": 1, "data": {"n": 2}})

        def fail(event: Any) -> None:
            raise RuntimeError("a bug of the application")

        async with scripted(script) as url, connect(url) as client:
            problems: list[Any] = []
            client.listen(problems.append)
            room = await client.join("quiz-1", listener=fail)
            async for _ in room.events():
                if room.state == {"n": 2}:
                    break
            assert [event.code for event in problems if isinstance(event, Problem)] == ["bad_message"]

    run(test)
    assert "a callback has failed" in caplog.text


def test_bad_arguments_are_refused() -> None:
    async def test() -> None:
        async def script(peer: Peer) -> None:
            await peer.enter()

        async with scripted(script) as url, connect(url) as client:
            with pytest.raises(JoinError):
                await client.join("quiz-1", params={"x": object()})
            room = await client.join("quiz-1")
            with pytest.raises(JoinError):
                await client.join("quiz-1")
            with pytest.raises(InputError) as refused:
                await room.send(float("nan"))
            assert refused.value.code == "bad_data"
        with pytest.raises(ValueError, match="encoding"):
            connect(url, encoding="xml")

    run(test)
