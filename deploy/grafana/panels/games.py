"""The dashboards of workers and of one game."""

from .panel import EDGE, GAME, panel, percentiles, quantile, rate, stat

WORKERS = [
    stat("Partitions", "short", f"sum(grandstand_worker_partitions{{{EDGE}}})"),
    stat("Rooms in memory", "short", f"sum(grandstand_worker_rooms{{{EDGE}}})"),
    stat(
        "Behind the log",
        "short",
        f"sum(grandstand_worker_replay_lag_entries{{{EDGE}}})",
        [100, 1000],
        "Entries of the log that are not processed",
    ),
    stat("In quarantine", "short", f"sum(grandstand_worker_quarantined_rooms{{{EDGE}}})", [1]),
    stat("Stuck loops", "short", f"sum(grandstand_worker_stuck_loops{{{EDGE}}})", [1]),
    stat("Clock against NATS", "s", f"max(abs(grandstand_worker_clock_skew_seconds{{{EDGE}}}))", [0.5, 1]),
    "Games",
    panel("Rooms in memory by game", "short", (f"sum by (game) (grandstand_worker_games_in_progress{{{EDGE}}})", "{{game}}"), stacked=True),
    panel(
        "Inputs and rejects",
        "reqps",
        (rate("grandstand_worker_inputs_total", "", EDGE), "inputs"),
        (rate("grandstand_worker_rejects_total", "", EDGE), "rejects"),
    ),
    panel(
        "Rejects by code",
        "reqps",
        (rate("grandstand_worker_rejected_inputs_total", "game, code", EDGE) + " > 0", "{{game}} {{code}}"),
        stacked=True,
    ),
    panel("Rooms in memory by worker", "short", (f"sum by (instance) (grandstand_worker_rooms{{{EDGE}}})", "{{instance}}"), stacked=True),
    panel(
        "Rooms that do not run",
        "short",
        (f"sum(grandstand_worker_quarantined_rooms{{{EDGE}}})", "quarantine"),
        (f"sum(grandstand_worker_rooms_too_new{{{EDGE}}})", "too new"),
        (f"sum(grandstand_worker_rooms_waiting{{{EDGE}}})", "waiting"),
        (f"sum(grandstand_worker_rooms_held{{{EDGE}}})", "not stored"),
    ),
    panel(
        "Panics, faults",
        "short",
        (f"sum(increase(grandstand_worker_panics_total{{{EDGE}}}[$__rate_interval]))", "panics"),
        (f"sum(increase(grandstand_worker_game_faults_total{{{EDGE}}}[$__rate_interval]))", "faults of games"),
    ),
    "Owners",
    panel("Partitions", "short", (f"sum by (instance) (grandstand_worker_partitions{{{EDGE}}})", "{{instance}}"), stacked=True),
    panel(
        "Changes of leases",
        "short",
        (f"sum by (change) (increase(grandstand_worker_lease_changes_total{{{EDGE}}}[$__rate_interval]))", "{{change}}"),
    ),
    percentiles("Takeovers", "grandstand_worker_takeover_duration_seconds", EDGE),
    percentiles("Entries that a takeover reads", "grandstand_worker_replay_entries", EDGE, unit="short"),
    panel(
        "Behind the log",
        "short",
        (f"sum by (instance) (grandstand_worker_replay_lag_entries{{{EDGE}}})", "{{instance}}"),
        limits=[100, 1000],
    ),
    panel(
        "Found dead, loops stuck",
        "short",
        (f"sum(increase(grandstand_worker_found_dead_total{{{EDGE}}}[$__rate_interval]))", "found dead"),
        (f"sum(increase(grandstand_worker_loops_stuck_total{{{EDGE}}}[$__rate_interval]))", "loops stuck"),
    ),
    "Loops",
    panel(
        "Lag of the loops, p99",
        "s",
        (quantile(0.99, "grandstand_worker_loop_lag_seconds", "instance, loop", EDGE), "{{instance}} {{loop}}"),
        limits=[0.02, 0.1],
    ),
    panel(
        "Ticks",
        "reqps",
        (rate("grandstand_worker_ticks_total", "", EDGE), "ticks"),
        (rate("grandstand_worker_ticks_skipped_total", "", EDGE), "skipped"),
    ),
    panel(
        "Entries and snapshots",
        "reqps",
        (rate("grandstand_worker_entries_total", "", EDGE), "entries"),
        (rate("grandstand_worker_snapshots_total", "", EDGE), "snapshots"),
    ),
    panel("CPU", "short", (rate("process_cpu_seconds_total", "instance", 'job="grandstand-worker",' + EDGE), "{{instance}}")),
    panel("Memory", "bytes", (f'sum by (instance) (process_resident_memory_bytes{{job="grandstand-worker",{EDGE}}})', "{{instance}}")),
    panel(
        "Requests to NATS, p95", "s", (quantile(0.95, "grandstand_worker_bus_request_duration_seconds", "operation", EDGE), "{{operation}}")
    ),
]

ONE_GAME = [
    stat("Rooms in memory", "short", f"sum(grandstand_worker_games_in_progress{{{GAME}}})"),
    stat("Viewers", "short", f"sum(grandstand_worker_viewers{{{GAME}}})"),
    stat("Input to update, p95", "s", 'max(game_lane:grandstand_room_latency_seconds:p95_5m{lane="players",' + GAME + "})", [0.1, 1]),
    stat("Games ended in an hour", "short", f"sum(increase(grandstand_worker_game_duration_seconds_count{{{GAME}}}[1h]))"),
    stat("Moves of a game, median", "short", quantile(0.5, "grandstand_worker_game_inputs", "", GAME)),
    stat("Rejects a second", "short", rate("grandstand_worker_rejected_inputs_total", "", GAME)),
    "Latency",
    percentiles("Players", "grandstand_room_latency_seconds", 'lane="players",' + GAME, limits=[0.1, 1]),
    percentiles("Spectators", "grandstand_room_latency_seconds", 'lane="spectators",' + GAME, limits=[1, 2]),
    panel(
        "Players, all updates",
        "s",
        (rate("grandstand_room_latency_seconds_bucket", "le", 'lane="players",' + GAME), "{{le}}"),
        kind="heatmap",
    ),
    "Play",
    panel("Rooms in memory", "short", (f"sum by (game) (grandstand_worker_games_in_progress{{{GAME}}})", "{{game}}"), stacked=True),
    panel("Viewers", "short", (f"sum by (game) (grandstand_worker_viewers{{{GAME}}})", "{{game}}"), stacked=True),
    panel(
        "Rejects by code",
        "reqps",
        (rate("grandstand_worker_rejected_inputs_total", "game, code", GAME) + " > 0", "{{game}} {{code}}"),
        stacked=True,
    ),
    percentiles("How long games last", "grandstand_worker_game_duration_seconds", GAME),
    percentiles("Moves of a game", "grandstand_worker_game_inputs", GAME, unit="short"),
    panel(
        "Games ended",
        "short",
        (f"sum by (game) (increase(grandstand_worker_game_duration_seconds_count{{{GAME}}}[$__rate_interval]))", "{{game}}"),
    ),
]
