"""Connects this client to the conformance runner (clients/conformance): commands on stdin, events on stdout, as JSON lines."""

import asyncio
import base64
import json
import logging
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import grandstand_client
from grandstand_client import Backoff, Client, Event, GrandstandError, RejectedError, Room, events


def say(event: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"event": event} | fields) + "\n")
    sys.stdout.flush()


def data(value: Any) -> dict[str, Any]:
    return {"data_b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else {"data": value}


def failure(error: GrandstandError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message} | ({"rejected": True} if isinstance(error, RejectedError) else {})


class App:
    """One client of a case."""

    def __init__(self, name: str, command: dict[str, Any]) -> None:
        self.name = name
        self.rooms: dict[str, Room] = {}
        self.tokens: dict[int, asyncio.Future[str]] = {}
        bounds = command.get("backoff", {})
        self.client = Client(
            command["url"],
            token=command.get("token"),
            get_token=self.get_token if command.get("token_source") else None,
            encoding={"proto": "protobuf"}.get(command.get("encoding", "json"), "json"),
            backoff=Backoff(bounds.get("min_ms", 1000) / 1000, bounds.get("max_ms", 30000) / 1000),
            attempts=command.get("attempts"),
            timeout=command.get("connect_timeout_ms", 10000) / 1000,
            patient=True,
            websocket={"proxy": None},
        )
        self.client.listen(lambda event: self.report(None, event))
        self.say("status", status="connecting", why=None)
        self.client.start()

    def say(self, event: str, **fields: Any) -> None:
        say(event, client=self.name, **fields)

    async def get_token(self) -> str:
        call = next(calls)
        self.tokens[call] = asyncio.get_running_loop().create_future()
        self.say("token_wanted", call=call)
        return await self.tokens[call]

    def report(self, room: str | None, event: Event) -> None:
        where = {"room": room} if room is not None else {}
        match event:
            case events.Status(status, why) if room is None:
                self.say("status", status=status, why=failure(why) if why is not None else None)
            case events.Snapshot(state, version, epoch):
                self.say("snapshot", **where, version=version, epoch=epoch, **data(state))
            case events.Update(change, _, version, prev):
                self.say("update", **where, version=version, prev=prev, **data(change))
            case events.Direct(value):
                self.say("direct", **where, **data(value))
            case events.Live(value):
                self.say("live", **where, **data(value))
            case events.Presence(players, count, viewers):
                listed = [{"id": id, "state": "connected" if there else "lost"} for id, there in (players or {}).items()]
                counted = {"players": listed} if players is not None else {"player_count": count}
                self.say("presence", **where, viewers=viewers, **counted)
            case events.Rejected(seq, code, message):
                self.say("reject", **where, seq=seq, code=code, message=message)
            case events.Left(code):
                self.say("left", **where, code=code)
            case events.TokenExpiring():
                self.say("token_expiring")
            case events.Problem(code, message, named, seq):
                fields = {key: value for key, value in {"room": named, "seq": seq}.items() if value is not None}
                self.say("error", code=code, message=message, **fields)
        if isinstance(event, events.Snapshot | events.Update) and event.follows:
            self.say("change", **where, state=event.state)

    async def call(self, command: dict[str, Any]) -> dict[str, Any]:
        match command["cmd"]:
            case "join":
                name, known = command["room"], {"role", "params", "token"}
                options = {key: command[key] for key in known if key in command}
                if command.get("reducer") == "sum":
                    options["reducer"] = lambda state, update: {"sum": state["sum"] + update["add"]}
                entered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

                def listen(event: Event) -> None:
                    # The join of the client also waits for the view; that of the runner does not.
                    if isinstance(event, events.Joined) and not entered.done():
                        entered.set_result(event.role)
                    self.rooms[name] = self.client.rooms.get(name) or self.rooms[name]
                    self.report(name, event)

                joining: asyncio.Future[None] = asyncio.ensure_future(self.enter(name, options, listen, entered))
                either: list[asyncio.Future[Any]] = [entered, joining]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not entered.done():
                    await joining
                return {"role": await entered}
            case "send":
                await self.room(command).send(payload(command))
            case "leave":
                await self.room(command).leave()
            case "close":
                await self.client.close()
            case "set_token":
                await self.client.set_token(command["token"])
        return {}

    async def enter(self, name: str, options: dict[str, Any], listen: Any, entered: asyncio.Future[str]) -> None:
        try:
            await self.client.join(name, listener=listen, **options)
        except GrandstandError:
            if not entered.done():
                raise

    def room(self, command: dict[str, Any]) -> Room:
        name = command["room"]
        return self.client.rooms.get(name) or self.rooms[name]


def payload(command: dict[str, Any]) -> Any:
    return base64.b64decode(command["data_b64"]) if "data_b64" in command else command["data"]


apps: dict[str, App] = {}
calls = iter(range(1, 1_000_000))


async def answer(app: App, command: dict[str, Any]) -> None:
    try:
        value = await app.call(command)
    except GrandstandError as error:
        app.say("result", id=command["id"], ok=False, error=failure(error))
    else:
        app.say("result", id=command["id"], ok=True, value=value)


def obey(command: dict[str, Any]) -> Awaitable[None] | None:
    name = command["client"]
    if command["cmd"] == "connect":
        apps[name] = App(name, command)
        return None
    app = apps[name]
    match command["cmd"]:
        case "live":
            try:
                app.room(command).live(payload(command))
            except GrandstandError as error:
                app.say("error", room=command["room"], **failure(error))
        case "reconnect":
            app.client.reconnect()
        case "token":
            wanted = app.tokens[command["call"]]
            if wanted.done():  # the client was closed
                return None
            if "token" in command:
                wanted.set_result(command["token"])
            else:
                wanted.set_exception(RuntimeError(command["error"]))
        case _:
            return answer(app, command)
    return None


class Unhandled(logging.Handler):
    """What the client or asyncio logs as an error is an exception that nobody has handled."""

    def emit(self, record: logging.LogRecord) -> None:
        say("unhandled", client=next(reversed(apps), ""), message=self.format(record))


async def main() -> None:
    reader = asyncio.StreamReader(limit=1 << 26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    for name in ("asyncio", "grandstand_client"):
        logging.getLogger(name).addHandler(Unhandled(logging.ERROR))
    try:
        Client("ws://127.0.0.1", encoding="protobuf")
        encodings = ["json", "proto"]
    except ImportError:
        encodings = ["json"]
    features = ["token_source", "reducer", "binary"]
    say("ready", sdk="grandstand-client", version=grandstand_client.__version__, encodings=encodings, features=features)
    running: set[asyncio.Future[None]] = set()
    while line := await reader.readline():
        work = obey(json.loads(line))
        if work is not None:
            task = asyncio.ensure_future(work)
            running.add(task)
            task.add_done_callback(running.discard)
    for app in apps.values():
        await app.client.close()


asyncio.run(main())
