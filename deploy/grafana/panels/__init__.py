"""The panels of the dashboards."""

from .below import INCIDENT, NATS
from .clients import EDGES, FLEET
from .games import ONE_GAME, WORKERS

INSTANCE_EDGE = ("instance", "Edge", "grandstand_edge_connections")
INSTANCE_WORKER = ("instance", "Worker", "grandstand_worker_partitions")
GAMES = ("game", "Game", "grandstand_worker_games_in_progress")

# By file: title, description, variables, panels.
DASHBOARDS = {
    "fleet": ("fleet", "All edges and workers: players, traffic, capacity.", [], FLEET),
    "edge": ("edge", "One edge, or several: clients, messages, loops, the way to NATS.", [INSTANCE_EDGE], EDGES),
    "worker": ("worker", "One worker, or several: games, owners, loops.", [INSTANCE_WORKER], WORKERS),
    "nats": ("NATS", "The servers, JetStream, and what edges and workers see of them.", [], NATS),
    "game": ("one game", "Latency, play and rejects of a game.", [GAMES], ONE_GAME),
    "incident": ("incident", "Read from the top: what fires, which part it is, what players see, what has changed.", [], INCIDENT),
}
