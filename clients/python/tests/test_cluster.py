"""Clients, edges and a worker on a real NATS server (GRANDSTAND_NATS_SERVER): upgraded, killed and started again under play."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Process, count, free_port, run, watch

from grandstand_client import Backoff, Room, Status, connect

SECRET = "a secret of 32 bytes or more, for tests"


class Cluster:
    """NATS, a worker, and edges that take over from one another on one port."""

    def __init__(self, folder: Path, program: str, nats_server: str) -> None:
        self.folder, self.program, self.port = folder, program, free_port()
        self.processes: list[Process] = []
        nats = free_port()
        self.nats = ["--nats", f"nats://127.0.0.1:{nats}"]
        self.start([nats_server, "-js", "-sd", str(folder / "nats"), "-a", "127.0.0.1", "-p", str(nats)], ready=False)
        self.worker = self.start_worker()

    def start(self, command: list[str], ready: bool = True) -> Process:
        environment = {
            "GRANDSTAND_EDGE_EDGE_DRAIN_WAIT_MS": "300",
            "GRANDSTAND_EDGE_EDGE_DRAIN_MS": "500",
            "GRANDSTAND_EDGE_UPGRADE_SOCKET": str(self.folder / "upgrade.sock"),
            "GRANDSTAND_EDGE_AUTH_SECRET": SECRET,
        }
        process = Process(command, self.folder / "processes.log", environment, ready)
        self.processes.append(process)
        return process

    def start_worker(self) -> Process:
        return self.start([self.program, "worker", *self.nats])

    def start_edge(self) -> Process:
        return self.start([self.program, "edge", *self.nats, "--shards", "1", "--listen", f"127.0.0.1:{self.port}"])

    def token(self, player: str, role: str) -> str:
        command = [self.program, "token", "--user", player, "--room", f"relay-*={role}", "--secret", SECRET]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    program, nats_server = os.environ.get("GRANDSTAND_BIN"), os.environ.get("GRANDSTAND_NATS_SERVER")
    if program is None or nats_server is None:
        pytest.skip("GRANDSTAND_BIN or GRANDSTAND_NATS_SERVER names no program")
    started = Cluster(tmp_path, program, nats_server)
    yield started
    for process in reversed(started.processes):
        process.end(signal.SIGKILL)


def test_nobody_notices_what_happens_to_the_servers(cluster: Cluster) -> None:
    sent, stop = 0, False

    async def play(room: Room) -> None:
        nonlocal sent
        while not stop:
            await room.send(sent)
            sent += 1
            await asyncio.sleep(0.01)

    async def test() -> None:
        nonlocal stop
        former = await asyncio.to_thread(cluster.start_edge)
        url, backoff = f"ws://127.0.0.1:{cluster.port}", Backoff(0.1, 0.5)
        async with (
            connect(url, token=cluster.token("alice", "player"), backoff=backoff) as alice,
            connect(url, token=cluster.token("carol", "spectator"), backoff=backoff, encoding="protobuf") as carol,
        ):
            rooms = [await alice.join("relay-1", reducer=count), await carol.join("relay-1", reducer=count)]
            faults = [watch(room) for room in rooms]
            statuses: list[str] = []
            for client in (alice, carol):
                client.listen(lambda event: statuses.append(event.status) if isinstance(event, Status) else None)
            playing = asyncio.create_task(play(rooms[0]))

            await asyncio.sleep(0.3)
            edge = await asyncio.to_thread(cluster.start_edge)
            before = sent
            assert await asyncio.to_thread(former.wait) == 0
            assert sent > before
            assert set(statuses) <= {"connected", "degraded"}, "a drained edge is noticed"

            await asyncio.to_thread(cluster.worker.end, signal.SIGKILL)
            await asyncio.to_thread(cluster.start_worker)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(edge.end, signal.SIGKILL)
            await asyncio.to_thread(cluster.start_edge)
            await asyncio.sleep(1)
            stop = True
            await playing
            await asyncio.sleep(0.5)
            assert faults == [[], []]
            assert [room.state["count"] for room in rooms] == [sent, sent]
            assert statuses.count("reconnecting") >= 2
            assert sent > 10

    run(test, 90)
