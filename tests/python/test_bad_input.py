"""Bad input gets the documented answer, and does not affect other clients."""

import asyncio
import json
import os
import secrets
import struct
import time
import urllib.parse

import peer as peers
from peer import Peer, main, rule

HANDSHAKE_DEADLINE_S = 10
LIMIT = 64 * 1024


def nested(depth):
    return "[" * depth + "]" * depth


def bad_messages(room):
    """Pairs of a text and the error code that answers it, or several codes if each of them would be right."""
    join = lambda **fields: json.dumps({"type": "join", **fields})
    data = lambda text, seq=1: f'{{"type":"input","room":"{room}","seq":{seq},"data":{text}}}'
    return [
        ("hello", "bad_json"),
        ("", "bad_json"),
        ('{"type":"ping"', "bad_json"),
        ('{"type":"ping"}{"type":"ping"}', "bad_json"),
        ("[]", ("bad_message", "bad_json")),
        ('"ping"', ("bad_message", "bad_json")),
        ("{}", "bad_message"),
        ('{"type":7}', "bad_message"),
        ('{"type":"fly"}', "unknown_type"),
        (join(), "bad_message"),
        (join(room=7), "bad_message"),
        (join(room=room, since="many"), "bad_message"),
        (join(room=room, role="king"), "bad_message"),
        (join(room=room, params=[]), ("bad_message", "bad_data")),
        (join(room="r" * 65), "bad_room"),
        (join(room="relay.1"), "bad_room"),
        (join(room=""), "bad_room"),
        (join(room="nosuchgame-1"), "no_such_game"),
        (data(nested(65)), "bad_data"),
        (data('{"a":' * 65 + "1" + "}" * 65), "bad_data"),
        (data("1", seq='"1"'), "bad_message"),
        (data("1", seq="-1"), "bad_message"),
        (data("1", seq="1.5"), "bad_message"),
        (f'{{"type":"input","room":"{room}","data":1}}', "bad_message"),
        (f'{{"type":"input","room":"{room}","seq":1}}', "bad_message"),
        (data("1"), "not_joined"),
        (json.dumps({"type": "live", "room": room, "data": 1}), "not_joined"),
        (json.dumps({"type": "leave", "room": room}), "not_joined"),
    ]


async def messages():
    room = f"relay-{secrets.token_hex(6)}"
    alice = await (await Peer.connect("alice")).welcomed()
    wrong = []
    for text, codes in bad_messages(room):
        error = await alice.error(text)
        if error["code"] not in ((codes,) if isinstance(codes, str) else codes) or not error["message"]:
            wrong.append((text[:80], codes, error))
    rule(not wrong, "each bad message gets its error", wrong)

    error = await alice.answer({"type": "fly"})
    rule(error["code"] == "unknown_type", "an error echoes the id of its cause", error)
    start = f'{{"type":"input","id":5.0,"room":"{room}","seq":7.0,"data":'
    for text in (start + "1}", start + "[1}", start + nested(65) + "}", start[:-7] + "}"):
        error = await alice.error(text)
        rule((error.get("id"), error.get("room"), error.get("seq")) == (5, room, 7), "an error names what it answers", text[:80], error)
    await alice.join(room)
    for seq in (0, 2, 100):
        error = await alice.error(f'{{"type":"input","room":"{room}","seq":{seq},"data":1}}')
        rule(error["code"] == "bad_seq" and error["room"] == room and error["seq"] == seq, f"seq {seq}", error)
    # JSON of depth 64 is allowed, and reaches every client unchanged.
    await alice.send(type="input", room=room, seq=1, data=json.loads(nested(64)))
    alice.rooms[room].sent = 1
    update = await alice.message(lambda m: m["type"] == "update")
    rule(update["data"]["data"] == json.loads(nested(64)), "data arrives unchanged", update)
    await alice.alive()
    await alice.close()


class Raw:
    """A socket that can send any bytes."""

    @classmethod
    async def open(cls):
        raw = cls()
        url = urllib.parse.urlsplit(peers.URL)
        raw.host = url.netloc
        raw.reader, raw.writer = await asyncio.open_connection(url.hostname, url.port or 80)
        return raw

    @classmethod
    async def upgraded(cls, user):
        raw = await cls.open()
        raw.request(f"/v1/ws?user={user}")
        head = await asyncio.wait_for(raw.reader.readuntil(b"\r\n\r\n"), peers.WAIT_S)
        rule(head.startswith(b"HTTP/1.1 101"), "a valid handshake is accepted", head)
        return raw

    def request(self, path, **changes):
        headers = {
            "Host": self.host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        }
        headers.update({name.replace("_", "-"): value for name, value in changes.items()})
        lines = [f"{name}: {value}\r\n" for name, value in headers.items() if value is not None]
        self.writer.write(f"GET {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode())

    def frame(self, opcode, payload, fin=True, masked=True, reserved=0):
        head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
        bit = 0x80 if masked else 0
        if len(payload) < 126:
            head += bytes([bit | len(payload)])
        elif len(payload) < 1 << 16:
            head += bytes([bit | 126]) + struct.pack(">H", len(payload))
        else:
            head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
        if masked:
            mask = os.urandom(4)
            head += mask
            payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self.writer.write(head + payload)

    async def status(self):
        """Returns the status of an HTTP response, and its head."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), peers.WAIT_S)
        return int(head.split()[1]), head.lower()

    async def message(self, kind):
        """Returns the next text message of a type."""
        while True:
            opcode, payload = await self.next()
            rule(opcode != 8, f"the connection stays open until {kind}", payload)
            if opcode == 1 and json.loads(payload)["type"] == kind:
                return json.loads(payload)

    async def close_code(self):
        """Reads up to the close frame and the end of the stream, and returns the close code."""
        while True:
            opcode, payload = await self.next()
            if opcode == 8:
                try:
                    self.frame(8, payload[:2])
                    rest = await asyncio.wait_for(self.reader.read(), peers.WAIT_S)
                    rule(rest == b"", "nothing follows a close frame", rest)
                except ConnectionError:
                    pass  # only the close frame matters; after an error the server need not wait for ours
                return struct.unpack(">H", payload[:2])[0]

    async def next(self):
        first, payload = await self.next_frame()
        return first & 0x0F, payload

    async def next_frame(self):
        """Returns the first byte of the next frame, and its payload."""

        async def read():
            first, second = await self.reader.readexactly(2)
            rule(not second & 0x80, "a server does not mask")
            length = second & 0x7F
            if length > 125:
                size = 2 if length == 126 else 8
                length = int.from_bytes(await self.reader.readexactly(size), "big")
            return first, await self.reader.readexactly(length)

        return await asyncio.wait_for(read(), peers.WAIT_S)

    async def end(self):
        self.writer.close()


def ping(length):
    head = b'{"type":"ping","id":1,"pad":"'
    return head + b"x" * (length - len(head) - 2) + b'"}'


async def frames():
    cases = [
        ("a message over the limit", [(1, ping(LIMIT + 1), {})], 1009),
        ("fragments over the limit", [(1, ping(LIMIT), {"fin": False}), (0, b" ", {})], 1009),
        ("invalid UTF-8", [(1, b'{"type":"\xff"}', {})], 1007),
        ("invalid UTF-8 in an unfinished message", [(1, b"\xed\xa0\x80", {"fin": False})], 1007),
        ("an unmasked frame", [(1, b"{}", {"masked": False})], 1002),
        ("a reserved bit", [(1, b"{}", {"reserved": 4})], 1002),
        ("an unknown opcode", [(3, b"", {})], 1002),
        ("a continuation without a first frame", [(0, b"{}", {})], 1002),
        ("a fragmented ping", [(9, b"", {"fin": False})], 1002),
        ("a long ping", [(9, b"x" * 126, {})], 1002),
        ("a binary message where JSON was negotiated", [(2, b"{}", {})], 1003),
        ("a close", [(8, struct.pack(">H", 1000), {})], 1000),
        ("a close with a code that may not be sent", [(8, struct.pack(">H", 1005), {})], 1002),
    ]
    wrong = []
    for what, sent, expected in cases:
        raw = await Raw.upgraded("frank")
        for opcode, payload, options in sent:
            raw.frame(opcode, payload, **options)
        try:
            code = await raw.close_code()
        except (asyncio.TimeoutError, asyncio.IncompleteReadError, ConnectionError) as why:
            code = repr(why)
        if code != expected:
            wrong.append((what, code, expected))
        await raw.end()
    rule(not wrong, "each bad frame is closed with its code", wrong)

    raw = await Raw.upgraded("frank")
    raw.frame(1, ping(LIMIT + 1))
    error = await raw.message("error")
    rule((error["code"], error.get("id")) == ("too_big", 1), "a message that is too big is named before the connection closes", error)
    await raw.end()

    # Valid messages at the limits: one of exactly that size, and one in three fragments with a ping between them.
    raw = await Raw.upgraded("frank")
    raw.frame(1, ping(LIMIT))
    await raw.message("pong")
    raw.frame(1, b'{"type":"pi', fin=False)
    raw.frame(9, b"between")
    raw.frame(0, b'ng","id"', fin=False)
    raw.frame(0, b":2}")
    seen = []
    while "pong" not in seen:
        opcode, payload = await raw.next()
        seen.append(payload.decode() if opcode == 10 else json.loads(payload)["type"])
    rule("between" in seen, "a ping between fragments is answered", seen)
    await raw.end()


async def handshakes():
    wrong = []

    async def case(what, expected, path="/v1/ws?user=frank", **changes):
        raw = await Raw.open()
        raw.request(path, **changes)
        status, head = await raw.status()
        if status != expected:
            wrong.append((what, status, expected))
        await raw.end()
        return head

    await case("no key", 400, Sec_WebSocket_Key=None)
    head = await case("version 12", 426, Sec_WebSocket_Version="12")
    rule(b"sec-websocket-version: 13" in head, "a 426 names the supported version", head)
    await case("no upgrade", 426, Upgrade=None, Connection="keep-alive", Sec_WebSocket_Key=None, Sec_WebSocket_Version=None)
    await case("a header of 20 KiB", 431, X_Long="x" * 20 * 1024)
    await case("another path", 404, path="/nothing/here")
    await case("no host", 400, Host=None)
    await case("a malformed host", 400, Host="http://x/")
    await case("a user that is not UTF-8", 400, path="/v1/ws?user=%FF")
    await case("a body", 400, Content_Length="4")
    await case("a chunked body", 400, Transfer_Encoding="chunked")
    rule(not wrong, "each bad handshake gets its status", wrong)

    raw = await Raw.open()
    raw.writer.write(f"GET /v1/ws HTTP/1.1\r\nHost: {raw.host}\r\n".encode())
    began = time.monotonic()
    answer = await asyncio.wait_for(raw.reader.read(), HANDSHAKE_DEADLINE_S + 5)
    took = time.monotonic() - began
    rule(answer == b"" or b" 408 " in answer.split(b"\r\n")[0], "an endless handshake is terminated", answer[:80])
    rule(took > HANDSHAKE_DEADLINE_S - 2, "but not at once", took)
    await raw.end()


async def tokens():
    for query, subprotocols in (
        ({"token": "not.a.token"}, ["grandstand.v1.json"]),
        ({}, ["grandstand.v1.json", "bearer.not.a.token"]),
    ):
        mallory = await Peer.connect("mallory", query=query, subprotocols=subprotocols)
        error = await mallory.message(lambda m: m["type"] == "error")
        rule(error["code"] == "unauthenticated", "an invalid token is reported", error)
        rule(await mallory.closed() == 4001, "and closes with 4001", mallory.socket.close_code)


async def beside(attack):
    """Runs a test while two other clients play in a room."""
    room = f"relay-{secrets.token_hex(6)}"
    alice, bob = [await (await Peer.connect(user)).welcomed() for user in ("annie", "bobby")]
    await alice.join(room)
    await bob.join(room)
    await attack
    rule(await alice.input(room, "still here") is None, "other clients continue to play")
    await bob.message(lambda m: m["type"] == "update" and m["data"] == {"from": "annie", "data": "still here"})
    for peer in (alice, bob):
        await peer.alive()
        await peer.close()


def test_messages():
    asyncio.run(beside(messages()))


def test_frames():
    asyncio.run(beside(frames()))


def test_handshakes():
    asyncio.run(beside(handshakes()))


def test_tokens():
    asyncio.run(beside(tokens()))


if __name__ == "__main__":
    main([test_messages, test_frames, test_handshakes, test_tokens])
