"""A rolling restart of edges behind HAProxy, and upgrades in place: no client is refused.

    test_rolling.py GRANDSTAND NATS_SERVER [ROUNDS]

Two edges, a worker and HAProxy on a real nats-server. HAProxy takes an edge out when its `/ready` says 503, and repeats no
failed connect. 200 clients connect, are welcomed, and leave, over and over, while each edge is ended and started again, and
then replaced by a new process.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import socket
import sys
import tempfile
import time

import websockets
from processes import SECRET, WAIT_S, Grandstand, Process, free_port, start_nats

CLIENTS = 200


def token(player):
    part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    claims = {"sub": player, "exp": int(time.time()) + 3600, "rooms": {"relay-*": "player"}}
    signed = b".".join(part(json.dumps(x).encode()) for x in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (signed + b"." + part(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()


def haproxy(folder, port, edges):
    servers = "\n".join(
        f" server {edge.name} 127.0.0.1:{edge.port} check port {edge.admin} inter 1s fall 1 rise 1" for edge in edges
    )
    path = os.path.join(folder, "haproxy.cfg")
    with open(path, "w") as file:
        file.write(f"""
global
 maxconn 4000
defaults
 mode tcp
 retries 0
 timeout connect 5s
 timeout client 60s
 timeout server 60s
frontend clients
 bind 127.0.0.1:{port}
 default_backend edges
backend edges
 balance roundrobin
 option httpchk GET /ready
 http-check expect status 200
{servers}
""")
    return Process("haproxy", ["haproxy", "-db", "-f", path], folder)


async def visit(player, port, visits, stop):
    """Connects over and over. Each connection must be upgraded and welcomed."""
    headers = {"Authorization": f"Bearer {token(player)}"}
    while not stop.is_set():
        url = f"ws://127.0.0.1:{port}/v1/ws"
        async with websockets.connect(url, additional_headers=headers, open_timeout=WAIT_S, proxy=None) as client:
            first = json.loads(await asyncio.wait_for(client.recv(), WAIT_S))
            assert first["type"] == "welcome", first
        visits.append(player)
        await asyncio.sleep(0.05)


async def restart(edge):
    """Ends an edge, starts it again, and waits until clients reach it."""
    edge.process.terminate()
    await edge.ended(edge.process)
    edge.start()
    await edge.ready()
    await edge.until(lambda: edge.metric("accepted_total") > 0, "clients")


async def replace(edge):
    """Starts a new process of an edge, and waits for the end of the earlier one."""
    earlier = edge.start()
    await edge.ended(earlier)
    await edge.until(lambda: edge.metric("accepted_total") > 0, "clients")


async def drive(program, nats_server, rounds, folder):
    url = start_nats(nats_server, folder)
    worker = Grandstand("worker", [program, "worker", *url], folder)
    edges = []
    for name in ("a", "b"):
        port = free_port()
        environment = {
            "GRANDSTAND_EDGE_AUTH_SECRET": SECRET,
            "GRANDSTAND_EDGE_EDGE_DRAIN_WAIT_MS": "3000",
            "GRANDSTAND_EDGE_EDGE_DRAIN_MS": "500",
            "GRANDSTAND_EDGE_UPGRADE_SOCKET": os.path.join(folder, f"{name}.sock"),
            "GRANDSTAND_EDGE_LIMITS_EXEMPT": "127.0.0.1",
        }
        listen = ["--listen", f"127.0.0.1:{port}", "--shards", "2"]
        edge = Grandstand(f"edge-{name}", [program, "edge", *url, *listen], folder, environment)
        edge.port = port
        edges.append(edge)
    for process in (worker, *edges):
        await process.ready()
    port = free_port()
    proxy = haproxy(folder, port, edges)

    def is_open():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    await proxy.until(is_open, "the port of HAProxy")
    stop, visits = asyncio.Event(), []
    clients = [asyncio.create_task(visit(f"p{i}", port, visits, stop)) for i in range(CLIENTS)]

    async def change():
        for edge in edges * rounds:
            for how in (restart, replace):
                before = len(visits)
                await how(edge)
                print(f"{edge.name}: {how.__name__}: {len(visits) - before} clients were welcomed meanwhile", flush=True)

    changing = asyncio.create_task(change())
    done, _ = await asyncio.wait([changing, *clients], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    assert changing in done, "a client has ended by itself"
    stop.set()
    await asyncio.gather(*clients)


def main():
    program, nats_server, rounds = sys.argv[1], sys.argv[2], int((sys.argv + ["1"])[3])
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(drive(program, nats_server, rounds, folder))
        finally:
            Process.end_all()
    print("passed")


main()
