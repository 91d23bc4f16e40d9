"""What only clients over QUIC see: refusals, ends, other encodings, new addresses."""

import asyncio
import json
import os
import secrets
import socket
import urllib.parse

import quic
from peer import URL, Peer, main, rule

HOST = urllib.parse.urlsplit(URL).netloc
SESSION = f"https://{HOST}/v1/wt"
WAIT_S = 15


async def ended(connection):
    await asyncio.wait_for(connection.ended.wait(), WAIT_S)
    for _ in range(WAIT_S * 100):
        if connection.terminated:
            break
        await asyncio.sleep(0.01)
    return connection.terminated


async def refused_tokens():
    """A wrong token is answered with an error, a close frame and the end of the connection, all with 4001."""
    for url in (URL, SESSION):
        try:
            secret = os.environ.pop("GRANDSTAND_SECRET")
            os.environ["GRANDSTAND_SECRET"] = "f" * 32
            connection = await quic.connect(url, "alice")
        finally:
            os.environ["GRANDSTAND_SECRET"] = secret
        error = json.loads(await asyncio.wait_for(connection.texts.get(), WAIT_S))
        rule((error["type"], error["code"]) == ("error", "unauthenticated"), "the error names the reason", error)
        end = await ended(connection)
        rule(connection.close_code == 4001, "the close frame has the code", connection.close_code)
        expected = 4001 if url == URL else 0x100
        rule(end and end.error_code == expected, "the connection ends with the code", end)


async def refused_sessions():
    """Other paths get 404, and malformed requests 400."""
    for path, headers, expected in (
        ("/v1/ws", {}, "404"),
        ("/", {}, "404"),
        ("/v1/wt", {":method": "GET", ":protocol": "websocket"}, "400"),
    ):
        connection = await quic.webtransport(f"https://{HOST}{path}", "alice", headers=headers)
        rule(connection.status == expected, f"{path} is answered with {expected}", connection.status)


async def first_messages():
    """A stream that begins with anything but a message is refused."""
    for first in (b"GET / HTTP/1.1\r\n\r\n", bytes([0x81, 0x80, 0, 0, 0, 0])):
        host, port = HOST.split(":")
        connection = await quic.opened(host, int(port), "grandstand/1")
        connection.connection.stream = connection._quic.get_next_available_stream_id()
        connection.write(first)
        end = await ended(connection)
        rule(end and end.error_code == 1002, "the connection ends with 1002", end)


async def byte_by_byte():
    """Frames may arrive in any pieces."""
    peer = await (await Peer.connect("alice")).welcomed()
    for byte in quic.frame(quic.TEXT, b'{"type":"ping","id":77}'):
        peer.socket.write(bytes([byte]))
        await asyncio.sleep(0)
    pong = await peer.message(lambda m: m.get("id") == 77)
    rule(pong["type"] == "pong", "the message is whole", pong)
    peer.socket.write(quic.frame(quic.PING, b"are you there") + quic.frame(quic.PONG, b""))
    await peer.alive()
    await peer.close()


async def new_addresses():
    """A connection survives a change of the client's address, again and again, whatever shard the kernel chooses."""
    peer = await (await Peer.connect("alice")).welcomed()
    name = f"relay-{secrets.token_hex(6)}"
    await peer.join(name)
    connection = peer.socket.connection
    for n in range(1, 9):
        rule(await peer.input(name, {"n": n}) is None, "an input is accepted", n)
        # The packets of the connection leave from another socket from now on.
        before = connection._transport
        loop = asyncio.get_running_loop()
        local = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        local.bind(("::", 0))
        await loop.create_datagram_endpoint(lambda: connection, sock=local)
        before.abort()
        await peer.alive()
    rule(peer.rooms[name].acked == 8, "all inputs are acked")
    await peer.close()


async def datagrams():
    """Live messages are datagrams with growing numbers for a client that wants them, and large ones come on the stream."""
    for url in (URL, SESSION):
        name = f"relay-{secrets.token_hex(6)}"
        alice, bob = [await (await Peer.connect(user, url)).welcomed() for user in ("alice", "bob")]
        await alice.join(name, datagrams=True)
        await bob.join(name)
        for peer in (alice, bob):
            await peer.until(lambda: peer.rooms[name].view is not None, "a snapshot")
        connection = alice.socket.connection
        for n in range(3):
            await bob.send(type="live", room=name, data={"cursor": n})
        await bob.send(type="live", room=name, data="x" * 5000)
        large = await alice.message(lambda m: m["type"] == "live")
        rule(large["data"] == "x" * 5000, "a large message comes on the stream", large)
        for _ in range(WAIT_S * 100):
            if len(connection.datagrams) == 3:
                break
            await asyncio.sleep(0.01)
        received = [quic.split(bytearray(datagram)) for datagram in connection.datagrams]
        messages = [json.loads(payload) for _, payload in received]
        rule(sorted(m["data"]["cursor"] for m in messages) == [0, 1, 2], "three datagrams arrive", messages)
        numbers = [m["n"] for m in sorted(messages, key=lambda m: m["data"]["cursor"])]
        rule(numbers == sorted(set(numbers)), "the numbers grow", numbers)
        # In the other direction.
        payload = quic.frame(quic.TEXT, json.dumps({"type": "live", "room": name, "data": "up"}).encode())
        if connection.http:
            connection.http.send_datagram(connection.session, payload)
        else:
            connection._quic.send_datagram_frame(payload)
        connection.transmit()
        await bob.message(lambda m: m["type"] == "live" and m["data"] == "up")
        for peer in (alice, bob):
            await peer.close()


def test_datagrams():
    asyncio.run(datagrams())


def test_refused_tokens():
    asyncio.run(refused_tokens())


def test_refused_sessions():
    asyncio.run(refused_sessions())


def test_first_messages():
    asyncio.run(first_messages())


def test_byte_by_byte():
    asyncio.run(byte_by_byte())


def test_new_addresses():
    asyncio.run(new_addresses())


if __name__ == "__main__":
    main([test_datagrams, test_refused_tokens, test_refused_sessions, test_first_messages, test_byte_by_byte, test_new_addresses])
