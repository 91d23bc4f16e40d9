-- The place in the stream of results up to which everything is stored.
CREATE TABLE positions (
    topic TEXT PRIMARY KEY,
    stream_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each result of a game. The time is in Unix milliseconds.
CREATE TABLE results (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    room TEXT NOT NULL,
    game TEXT NOT NULL,
    board TEXT NOT NULL,
    season TEXT,
    at_ms INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;

-- One row for each player of a result.
CREATE TABLE result_players (
    result INTEGER NOT NULL,
    player TEXT NOT NULL,
    score INTEGER NOT NULL,
    place INTEGER,
    won INTEGER NOT NULL,
    PRIMARY KEY (player, result)
) STRICT, WITHOUT ROWID;

-- Messages that are no results.
CREATE TABLE refused_results (
    stream_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL,
    refused_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (stream_ms, seq)
) STRICT;

-- A board with one of its seasons; the season '' has all results.
CREATE TABLE leaderboards (
    no INTEGER PRIMARY KEY,
    board TEXT NOT NULL,
    season TEXT NOT NULL,
    UNIQUE (board, season)
) STRICT;

-- One row for each player of a leaderboard. Times are Unix milliseconds.
CREATE TABLE standings (
    leaderboard INTEGER NOT NULL,
    player TEXT NOT NULL,
    best INTEGER NOT NULL,
    best_at_ms INTEGER NOT NULL,
    total INTEGER NOT NULL,
    total_at_ms INTEGER NOT NULL,
    games INTEGER NOT NULL,
    wins INTEGER NOT NULL,
    PRIMARY KEY (leaderboard, player)
) STRICT, WITHOUT ROWID;
CREATE INDEX standings_best ON standings (leaderboard, best DESC, best_at_ms, player);
CREATE INDEX standings_total ON standings (leaderboard, total DESC, total_at_ms, player);

-- The number of players whose score, shifted right, is `bucket`. The measure is 0 for the best score, 1 for the total.
CREATE TABLE score_counts (
    leaderboard INTEGER NOT NULL,
    measure INTEGER NOT NULL,
    shift INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    players INTEGER NOT NULL,
    PRIMARY KEY (leaderboard, measure, shift, bucket)
) STRICT, WITHOUT ROWID;
