-- The place in the stream of results up to which everything is stored.
CREATE TABLE positions (
    topic text PRIMARY KEY,
    stream_ms bigint NOT NULL,
    seq bigint NOT NULL
);

-- One row for each result of a game.
CREATE TABLE results (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    room text NOT NULL,
    game text NOT NULL,
    board text NOT NULL,
    season text,
    at timestamptz NOT NULL,
    data jsonb NOT NULL
);

-- One row for each player of a result.
CREATE TABLE result_players (
    result bigint NOT NULL,
    player text COLLATE "C" NOT NULL,
    score bigint NOT NULL,
    place integer,
    won boolean NOT NULL,
    PRIMARY KEY (player, result)
);

-- Messages that are no results.
CREATE TABLE refused_results (
    stream_ms bigint NOT NULL,
    seq bigint NOT NULL,
    id text NOT NULL,
    reason text NOT NULL,
    body bytea NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream_ms, seq)
);

-- A board with one of its seasons; the season '' has all results.
CREATE TABLE leaderboards (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    board text COLLATE "C" NOT NULL,
    season text COLLATE "C" NOT NULL,
    UNIQUE (board, season)
);

-- One row for each player of a leaderboard. Times are Unix milliseconds.
CREATE TABLE standings (
    leaderboard bigint NOT NULL,
    player text COLLATE "C" NOT NULL,
    best bigint NOT NULL,
    best_at_ms bigint NOT NULL,
    total bigint NOT NULL,
    total_at_ms bigint NOT NULL,
    games bigint NOT NULL,
    wins bigint NOT NULL,
    PRIMARY KEY (leaderboard, player)
);
CREATE INDEX standings_best ON standings (leaderboard, best DESC, best_at_ms, player);
CREATE INDEX standings_total ON standings (leaderboard, total DESC, total_at_ms, player);

-- The number of players whose score, shifted right, is `bucket`. The measure is 0 for the best score, 1 for the total.
CREATE TABLE score_counts (
    leaderboard bigint NOT NULL,
    measure bigint NOT NULL,
    shift bigint NOT NULL,
    bucket bigint NOT NULL,
    players bigint NOT NULL,
    PRIMARY KEY (leaderboard, measure, shift, bucket)
) WITH (fillfactor = 50);
