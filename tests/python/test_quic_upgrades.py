"""Clients over QUIC while an edge is replaced in place and drained.

    test_quic_upgrades.py GRANDSTAND NATS_SERVER [UPGRADES]

An edge and a worker on a real nats-server, and clients over native QUIC and WebTransport: players who send an input every
20 ms and move when the edge says so, others who stay until they are closed, and some who connect, are welcomed, and leave,
over and over. The edge is replaced by a new process, again and again, and drained at the end.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile

from peer import Peer, rule
from processes import SECRET, WAIT_S, Grandstand, Process, free_port, start_nats

INTERVAL_S = 0.02
PLAYERS = 3  # per transport
VISITORS = 2  # per transport
UNACKED = 16  # inputs
SHARDS = (2, 3, 1)  # as many shards as sockets, more, and fewer


def told(peer):
    """The notice that the edge drains."""
    return next((m for m in peer.messages if m["type"] == "notice" and m["code"] == "draining"), None)


class Player(Peer):
    """A player in a room of its own."""

    @classmethod
    async def begin(cls, name, url):
        peer = await (await cls.connect(name, url)).welcomed()
        peer.room = await peer.join(f"relay-{name}")
        return peer

    async def step(self):
        """Sends an input."""
        room = self.room
        await self.until(lambda: room.acked > room.sent - UNACKED, f"acks of {self.user}'s inputs after {room.acked}")
        rule(not room.rejects, "no input is rejected", room.rejects)
        room.sent += 1
        await self.send(type="input", room=room.name, seq=room.sent, data=room.sent)
        await asyncio.sleep(INTERVAL_S)

    def is_connected(self):
        connection = self.socket.connection
        return not connection.ended.is_set() and connection.terminated is None


async def play(name, url, moves, stop):
    """Plays, and moves to the next process when the edge says so. The connection works until then."""
    while not stop.is_set():
        peer, leave_at = await Player.begin(name, url), None
        now = asyncio.get_running_loop().time
        while not stop.is_set() and (leave_at is None or now() < leave_at):
            if leave_at is None and (notice := told(peer)):
                leave_at = now() + notice["reconnect_in_ms"] / 1000
            rule(peer.is_connected(), "the edge closes nobody before its time", peer.user, peer.messages[-3:])
            await peer.step()
        await peer.until(lambda: peer.room.acked == peer.room.sent, f"the acks of all inputs of {name}")
        await peer.close()
        moves[name] = moves.get(name, 0) + (leave_at is not None)


async def stay(name, url):
    """Plays until the edge closes the connection: it has said so before, and says why."""
    peer = await Player.begin(name, url)
    while peer.is_connected():
        await peer.step()
    code = await peer.closed()
    rule(told(peer), "a client is told that the edge drains", peer.messages[-3:])
    rule(code == 1012, "the close frame has the code", code)
    end = peer.socket.connection
    if url.startswith("quic:"):
        await asyncio.wait_for(end.wait_closed(), WAIT_S)
        rule(end.terminated.error_code == 1012, "the connection ends with the code", end.terminated)
    peer.socket.abort()


async def visit(name, url, visits, stop):
    """Connects over and over. Each connection must be welcomed."""
    while not stop.is_set():
        peer = await (await Peer.connect(name, url)).welcomed()
        await peer.close()
        visits.append(name)


def certificate(folder):
    """Makes a certificate. Returns the paths of the certificate and its key."""
    paths = [os.path.join(folder, name) for name in ("tls.pem", "tls.key")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", paths[0], "-keyout", paths[1]],
        check=True,
        capture_output=True,
    )
    return paths


class Edge(Grandstand):
    """An edge with QUIC that can be replaced."""

    def __init__(self, program, nats, folder):
        port = free_port(socket.SOCK_DGRAM)
        self.urls = (f"quic://localhost:{port}", f"https://localhost:{port}/v1/wt")
        pem, key = certificate(folder)
        os.environ["SSL_CERT_FILE"] = pem
        environment = {
            "AUTH_SECRET": SECRET,
            "EDGE_DRAIN_WAIT_MS": "200",
            "EDGE_DRAIN_MS": "1500",
            "LIMITS_EXEMPT": "127.0.0.1",
            "QUIC_LISTEN": f"127.0.0.1:{port}",
            "TLS_CERTIFICATE_FILES": pem,
            "TLS_KEY_FILES": key,
            "UPGRADE_SOCKET": os.path.join(folder, "edge.sock"),
        }
        environment = {f"GRANDSTAND_EDGE_{key}": value for key, value in environment.items()}
        listen = ["--listen", f"127.0.0.1:{free_port()}", "--shards", str(SHARDS[0])]
        super().__init__("edge", [program, "edge", *nats, *listen], folder, environment)

    async def replace(self, shards):
        """Starts a new process, and waits for the end of the earlier one."""
        self.arguments[self.arguments.index("--shards") + 1] = str(shards)
        earlier = self.start()
        await self.ended(earlier)

    async def fail(self):
        """Starts a new process that never reaches NATS. The one that runs goes on."""
        arguments, environment = list(self.arguments), dict(self.environment)
        for flag, value in (("--nats", f"nats://127.0.0.1:{free_port()}"), ("--shards", "3")):
            self.arguments[self.arguments.index(flag) + 1] = value
        self.environment["GRANDSTAND_EDGE_CLUSTER_CONNECT_TIMEOUT_S"] = "1"
        running = self.start()
        failed, self.process = self.process, running
        self.arguments, self.environment = arguments, environment
        await self.until(lambda: failed.poll() is not None, "the end of the new process")
        rule(failed.returncode == 69, "the new process fails", failed.returncode)


def stayers(edge, round):
    """Starts a client over each transport that stays until it is closed."""
    return [asyncio.create_task(stay(f"stayer-{round}-{i}", url)) for i, url in enumerate(edge.urls)]


async def change(edge, upgrades, visits, moves):
    """Replaces the edge again and again. At first the new process fails."""
    await edge.fail()
    before = len(visits)
    await edge.until(lambda: len(visits) > before, "visitors of the process that goes on")
    rule(not any(moves.values()), "no player is told to move")
    for round in range(upgrades):
        staying = stayers(edge, round)
        before = len(visits)
        await edge.until(lambda: len(visits) > before, "visitors")
        await edge.replace(SHARDS[(round + 1) % len(SHARDS)])
        await asyncio.gather(*staying)
        await edge.until(lambda: all(count > round for count in moves.values()), "players who move")
        forwarded, lost = (edge.metric(f"quic_packets_{name}_total") for name in ("forwarded", "lost"))
        rule(forwarded > 0, "the new process forwards packets")
        print(f"upgrade {round + 1}: {len(visits) - before} visits, {forwarded} packets forwarded, {lost} lost", flush=True)


async def drain(edge):
    """A process that ends tells its clients, and closes those that stay."""
    staying = stayers(edge, "last")
    opened = 'grandstand_edge_quic_connections{transport="%s"} 1'
    is_open = lambda: all(opened % name in edge.page("/metrics")[1] for name in ("native", "webtransport"))
    await edge.until(is_open, "the connections")
    edge.process.terminate()
    await asyncio.gather(*staying)
    await edge.ended(edge.process)
    print("drained", flush=True)


async def drive(program, nats_server, upgrades, folder):
    os.environ["GRANDSTAND_SECRET"] = SECRET
    nats = start_nats(nats_server, folder)
    worker = Grandstand("worker", [program, "worker", *nats], folder)
    edge = Edge(program, nats, folder)
    for process in (worker, edge):
        await process.ready()
    stop, visits, moves = asyncio.Event(), [], {}
    players = [(f"player-{i}-{n}", url) for i, url in enumerate(edge.urls) for n in range(PLAYERS)]
    visitors = [(f"visitor-{i}-{n}", url) for i, url in enumerate(edge.urls) for n in range(VISITORS)]
    moves.update({name: 0 for name, _ in players})
    clients = [asyncio.create_task(play(name, url, moves, stop)) for name, url in players]
    clients += [asyncio.create_task(visit(name, url, visits, stop)) for name, url in visitors]
    changing = asyncio.create_task(change(edge, upgrades, visits, moves))
    done, _ = await asyncio.wait([changing, *clients], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    rule(changing in done, "no client ends by itself")
    stop.set()
    await asyncio.gather(*clients)
    await drain(edge)


def main():
    program, nats_server, upgrades = sys.argv[1], sys.argv[2], int((sys.argv + ["2"])[3])
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(drive(program, nats_server, upgrades, folder))
        except BaseException:
            for name in ("edge.log", "worker.log"):
                path = os.path.join(folder, name)
                if os.path.exists(path):
                    with open(path) as log:
                        print(f"{name} ends with:\n{log.read()[-3000:]}")
            raise
        finally:
            Process.end_all()
    print("passed")


main()
