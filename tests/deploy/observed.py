"""A cluster in which clients play, watched by a Prometheus with the files of deploy/prometheus at a faster pace."""

import asyncio
import json
import os
import random
import re
import shutil
import signal
import time
import urllib.parse

from default_cluster import PROGRAM, Cluster, page
from queries import PROMETHEUS
from test_memory import play

TARGETS = {
    "edge": ["127.0.0.1:8081", "127.0.0.1:9081"],
    "worker": ["127.0.0.1:8082", "127.0.0.1:9082"],
    "archive": [],
    "outlet": ["127.0.0.1:8084"],
    "nats": ["127.0.0.1:7779"],
    "node": ["127.0.0.1:9100"],
    "alertmanager": [],
}
OUTLET = '[[outlet.endpoints]]\nname = "billing"\nurl = "http://127.0.0.1:9/hooks"\nallow_http = true\ntopics = ["results"]\n'


def ask(path, **parameters):
    """An answer of Prometheus; its error as an exception."""
    status, text = page(f"http://127.0.0.1:9090/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}")
    answer = json.loads(text) if text else {"error": "no answer"}
    if status != 200:
        raise ValueError(answer.get("error", status))
    return answer["data"]


def expression(query):
    """A query of a dashboard without Grafana's variables."""
    query = query.replace("$__rate_interval", "15s")
    return re.sub(r"\$\{?\w+\}?", ".*", query)


class Observed:
    """The cluster, its Prometheus, and its players."""

    def __init__(self, folder):
        self.made, self.tasks, self.games, self.broken = Cluster(folder), [], 0, 0

    async def start(self):
        made = self.made
        self.nats = await made.nats("-n", "nats-1")
        self.workers = [await made.worker("worker-1"), await made.worker("worker-2", admin=9082)]
        for name, port, admin in ("edge-1", 8080, 8081), ("edge-2", 9080, 9081):
            await made.edge(name, port=port, admin=admin, GRANDSTAND_EDGE_LIMITS_CONNECTIONS="200")
        with open(made.path("outlet.toml"), "w") as file:
            file.write(OUTLET)
        await made.start("outlet", [PROGRAM, "outlet", "--config", made.path("outlet.toml")], "http://127.0.0.1:8084/ready")
        await made.exporter()
        await made.node_exporter()
        self.prometheus = await made.prometheus(self.configuration())
        self.since = time.time()

    def configuration(self):
        """The files of deploy/prometheus with other targets, and a second where they have 15."""
        folder = self.made.path("config")
        shutil.copytree(PROMETHEUS, folder)
        for name, addresses in TARGETS.items():
            with open(os.path.join(folder, "targets", f"{name}.yml"), "w") as file:
                json.dump([{"targets": addresses}] if addresses else [], file)
        config = os.path.join(folder, "prometheus.yml")
        with open(config) as file:
            text = re.sub(r"(scrape_interval|scrape_timeout|evaluation_interval): 1\ds", r"\1: 1s", file.read())
        with open(config, "w") as file:
            file.write(text)
        for name in ("rules.yml", "alerts.yml", "alerts-nats.yml"):
            path = os.path.join(folder, name)
            with open(path) as file:
                text = file.read()
            text = text.replace("[5m]", "[20s]").replace("[2m]", "[10s]").replace("[1m]", "[10s]")
            with open(path, "w") as file:
                file.write(re.sub(r"for: (30s|1m|2m|5m)", "for: 5s", text))
        return config

    def play(self):
        """Pairs play memory; a room of relay has two players and a crowd."""
        self.tasks += [asyncio.create_task(self.forever(self.one_game, pair)) for pair in range(6)]
        self.tasks += [asyncio.create_task(self.forever(self.speak, n)) for n in range(2)]
        self.tasks += [asyncio.create_task(self.forever(self.watch, n)) for n in range(30)]

    async def forever(self, act, number):
        """Does it over and over. Clients whose cluster was hurt on purpose may fail, and come again."""
        while True:
            try:
                await act(number)
            except asyncio.CancelledError:
                raise
            except Exception:
                self.broken += 1
                await asyncio.sleep(1)

    async def one_game(self, pair):
        room = f"memory-{pair}-{random.randrange(10**9)}"
        players = [await self.made.player(f"{name}-{pair}", port=random.choice((8080, 9080))) for name in ("alice", "bob")]
        try:
            for player in players:
                await player.join(room, params={"rows": 4, "cols": 4, "players": 2, "hide_ms": 200})
            for player in players:
                await player.until(lambda: player.rooms[room].view and player.rooms[room].view["phase"] == "playing", "the start")
            await players[0].input(room, {"op": "fly"})
            await play(players, [], room, lambda view: view["phase"] == "over")
            self.games += 1
        finally:
            for player in players:
                await player.close()

    async def speak(self, number):
        player = await self.made.player(f"speaker-{number}")
        try:
            await player.join("relay-stage")
            for _ in range(40):
                await player.input("relay-stage", "hello")
                await asyncio.sleep(0.2)
            await player.answer({"type": "input", "room": "relay-other", "seq": 1, "data": "not joined"})
        finally:
            await player.close()

    async def watch(self, number):
        viewer = await self.made.player(f"viewer-{number}", port=(8080, 9080)[number % 2])
        try:
            await viewer.join("relay-stage", role="spectator")
            await asyncio.wait({viewer.reader}, timeout=random.uniform(20, 60))
        finally:
            await viewer.close()

    async def kill_worker(self):
        self.workers[1].process.send_signal(signal.SIGKILL)
        await asyncio.sleep(8)
        self.workers[1].start()
        await self.workers[1].ready()

    async def restart_nats(self):
        await self.nats.end()
        await asyncio.sleep(3)
        self.nats.start()
        await self.nats.ready()

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def range(self, query, step=1):
        """The series of a query over the whole run: [(labels, [(time, value)])]."""
        found = ask("query_range", query=expression(query), start=self.since, end=time.time(), step=step)
        return [(one["metric"], [(at, float(value)) for at, value in one["values"]]) for one in found["result"]]
