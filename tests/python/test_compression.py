"""Compression (`permessage-deflate`) by `websockets` and Python's zlib, against a server that has it enabled."""

import asyncio
import json
import os
import random
import urllib.parse
import zlib

import peer as peers
import websockets
from peer import Peer, main, rule
from test_bad_input import LIMIT, Raw
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

# The server's process, if it runs on this machine: the test then checks its memory.
PID = os.environ.get("GRANDSTAND_PID")
MIB = 1 << 20
TAIL = b"\x00\x00\xff\xff"


def echo_url():
    return urllib.parse.urlunsplit(urllib.parse.urlsplit(peers.URL)._replace(path="/v1/echo"))


def deflated(plain, level=9, **options):
    machine = zlib.compressobj(level, wbits=-15, **options)
    payload = machine.compress(plain) + machine.flush(zlib.Z_SYNC_FLUSH)
    rule(payload.endswith(TAIL), "a flush ends with an empty block")
    return payload[:-4]


def agreed(socket):
    extensions = socket.protocol.extensions
    return extensions[0] if extensions else None


async def messages():
    """Every message comes back, however both sides fragment and compress it."""
    chance = random.Random(7)
    words = ["player", "card", "gr\u00fcn", "\U0001f3b2", '{"x":', "}", "0", " "]
    factories = [
        [ClientPerMessageDeflateFactory()],
        [ClientPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)],
        [ClientPerMessageDeflateFactory(client_max_window_bits=9, compress_settings={"memLevel": 1})],
        # The first offer is declined, the second accepted.
        [ClientPerMessageDeflateFactory(server_max_window_bits=10), ClientPerMessageDeflateFactory(server_max_window_bits=15)],
    ]
    for factory in factories:
        async with websockets.connect(echo_url(), compression=None, extensions=factory, max_size=None, proxy=None) as socket:
            extension = agreed(socket)
            rule(extension, "compression is negotiated", socket.response.headers)
            both = extension.remote_no_context_takeover and extension.local_no_context_takeover
            rule(both, "without context takeover", extension)
            for size in [0, 1, 2, 100, 255, 256, 300, 5000, 65535, 65536, 300_000]:
                text = "".join(chance.choice(words) for _ in range(size))
                noise = chance.randbytes(size)
                half = len(text) // 2
                for message in (text, noise, [text[:half], text[half:]], [noise[:7], noise[7:], b""]):
                    await socket.send(message)
                    answer = await asyncio.wait_for(socket.recv(), peers.WAIT_S)
                    whole = message if not isinstance(message, list) else type(message[0])().join(message)
                    rule(answer == whole, "the message comes back", size, type(whole))


async def forms():
    """Long messages are compressed, short ones and noise are not. A client without an offer gets none compressed."""
    offers = [
        ("permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        (
            'permessage-deflate; server_max_window_bits=9, permessage-deflate; server_max_window_bits="15"',
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15",
        ),
        ("permessage-deflate; server_max_window_bits=9", None),
        ("permessage-deflate; what_is_this", None),
        ("permessage-bzip2", None),
        (None, None),
    ]
    text, noise = b"again and again, " * 100, random.Random(1).randbytes(5000)
    for offer, expected in offers:
        raw = await Raw.open()
        raw.request("/v1/echo", Sec_WebSocket_Extensions=offer)
        head = (await asyncio.wait_for(raw.reader.readuntil(b"\r\n\r\n"), peers.WAIT_S)).decode()
        rule(head.startswith("HTTP/1.1 101"), "the handshake is accepted", head)
        lines = [line.partition(": ") for line in head.split("\r\n")]
        answers = [value for name, _, value in lines if name.lower() == "sec-websocket-extensions"]
        rule(answers == ([expected] if expected else []), "the answer to an offer", offer, answers)
        for payload, smaller in ((b"short", False), (noise, False), (text, expected is not None)):
            raw.frame(2, payload)
            first, answer = await raw.next_frame()
            rule(first == (0xC2 if smaller else 0x82), "the form of an answer", offer, first)
            if smaller:
                rule(len(answer) < len(payload) // 4, "the compressed message is smaller", len(answer))
                answer = zlib.decompressobj(-15).decompress(answer + TAIL)
            rule(answer == payload, "the message comes back", offer)
        await raw.end()
    raw = await Raw.open()
    raw.request("/v1/echo", Sec_WebSocket_Extensions="permessage-deflate; =")
    status, _ = await raw.status()
    rule(status == 400, "a malformed offer is rejected", status)
    await raw.end()


async def closed_with(*frames):
    raw = await Raw.open()
    raw.request("/v1/ws?user=frank", Sec_WebSocket_Extensions="permessage-deflate")
    await raw.status()
    for opcode, payload, options in frames:
        raw.frame(opcode, payload, **options)
    try:
        return await raw.close_code()
    finally:
        await raw.end()


async def bad_frames():
    ping = deflated(b'{"type":"ping","id":1}')
    rsv1, part = {"reserved": 4}, {"reserved": 4, "fin": False}
    cases = [
        ("RSV1 of a continuation", [(1, ping[:3], part), (0, ping[3:], rsv1)], 1002),
        ("RSV1 of a ping", [(9, b"", rsv1)], 1002),
        ("RSV1 and RSV2", [(1, ping, {"reserved": 6})], 1002),
        ("not deflate", [(1, b"\x07", rsv1)], 1007),
        ("half of it", [(1, ping[:5], rsv1)], 1007),
        ("not UTF-8", [(1, deflated(b'{"type":"\xff"}'), rsv1)], 1007),
        ("a message over the limit", [(1, deflated(b" " * (LIMIT + 1)), rsv1)], 1009),
        ("fragments over the limit before they are inflated", [(2, b"x" * LIMIT, part), (0, b"x" * LIMIT, {})], 1009),
    ]
    for what, frames, expected in cases:
        code = await closed_with(*frames)
        rule(code == expected, what, code, expected)

    # A valid message of exactly the limit.
    raw = await Raw.open()
    raw.request("/v1/ws?user=frank", Sec_WebSocket_Extensions="permessage-deflate")
    await raw.status()
    head = b'{"type":"ping","id":1,"pad":"'
    raw.frame(1, deflated(head + b"x" * (LIMIT - len(head) - 2) + b'"}'), reserved=4)
    await raw.message("pong")
    await raw.end()


def peak():
    with open(f"/proc/{PID}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))


async def bombs():
    """Decompression bombs, 100 MB in 100 KB or worse, are not inflated."""
    once = deflated(b"\0" * (100 * MIB))
    rule(len(once) < 110_000, "a bomb is small", len(once))
    # A bomb that fits into one message of /v1/ws.
    small = deflated(b"\0" * (50 * MIB))
    rule(len(small) <= LIMIT, "a bomb is a small message", len(small))
    await closed_with((2, small, {"reserved": 4}))
    before = peak() if PID else 0
    for _ in range(20):
        codes = await asyncio.gather(*(closed_with((2, small, {"reserved": 4})) for _ in range(10)))
        rule(codes == [1009] * 10, "a bomb is too big", codes)
    rule(await closed_with((2, once, {"reserved": 4})) == 1009, "a bomb that exceeds the limit while compressed is too big as well")
    if PID:
        grown = peak() - before
        rule(grown < 8 * MIB, "bombs cost no memory", grown)
    else:
        print("        (memory not checked: GRANDSTAND_PID is not set)")


async def play():
    """A protocol client that sends and receives compressed messages, as the clients of the other tests do."""
    alice = await (await Peer.connect("alice")).welcomed()
    rule(agreed(alice.socket), "compression is negotiated")
    await alice.join("relay-compressed")
    text = json.dumps(["again and again"] * 500)
    rule(await alice.input("relay-compressed", text) is None, "a compressed input is accepted")
    await alice.message(lambda m: m["type"] == "update" and m["data"] == {"from": "alice", "data": text})
    await alice.close()


async def shared():
    """A room-wide message is compressed once: clients that negotiated compression get the same bytes, the others plain text."""
    alice = await (await Peer.connect("alice")).welcomed()
    await alice.join("relay-shared")
    watchers = []
    for number, offer in enumerate(["permessage-deflate", "permessage-deflate; client_max_window_bits", None]):
        raw = await Raw.open()
        raw.request(f"/v1/ws?user=viewer{number}", Sec_WebSocket_Extensions=offer)
        await raw.status()
        raw.frame(1, b'{"type":"join","room":"relay-shared","role":"spectator"}')
        await raw.message("snapshot")
        watchers.append(raw)
    for text, compressed in (("short", False), (json.dumps(["again and again"] * 500), True)):
        rule(await alice.input("relay-shared", text) is None, "an input is accepted")
        frames = []
        for raw in watchers:
            first, payload = await asyncio.wait_for(raw.next_frame(), peers.WAIT_S)
            while not first & 0x40 and b'"update"' not in payload:
                first, payload = await asyncio.wait_for(raw.next_frame(), peers.WAIT_S)
            frames.append((first, payload))
        rule(frames[0] == frames[1], "both get the same frame", len(frames[0][1]), len(frames[1][1]))
        rule(frames[0][0] == (0xC1 if compressed else 0x81), "only long messages are compressed", frames[0][0])
        rule(frames[2][0] == 0x81, "a client without compression gets plain text", frames[2][0])
        payload = frames[0][1]
        if compressed:
            rule(len(payload) * 4 < len(frames[2][1]), "the compressed message is smaller", len(payload))
            payload = zlib.decompressobj(-15).decompress(payload + TAIL)
        rule(json.loads(payload) == json.loads(frames[2][1]), "both messages are equal")
        rule(json.loads(payload)["data"] == {"from": "alice", "data": text}, "the message is the one alice sent")
    for raw in watchers:
        await raw.end()
    await alice.close()


def test_messages():
    asyncio.run(messages())


def test_forms():
    asyncio.run(forms())


def test_bad_frames():
    asyncio.run(bad_frames())


def test_bombs():
    asyncio.run(bombs())


def test_play():
    asyncio.run(play())


def test_shared():
    asyncio.run(shared())


if __name__ == "__main__":
    main([test_messages, test_forms, test_bad_frames, test_bombs, test_play, test_shared])
