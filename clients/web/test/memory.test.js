import assert from "node:assert/strict";
import { test } from "node:test";
import { apply, describe } from "../memory.js";

const empty = {
  phase: "waiting",
  rows: 2,
  cols: 2,
  cards: [null, null, null, null],
  open: [],
  turn: null,
  deadline_ms: null,
  players: [],
  scores: {},
  winners: null,
};

const game = [
  { kind: "waiting", players: ["alice"] },
  { kind: "started", turn: "alice", deadline_ms: 20_000, players: ["alice", "bob"] },
  { kind: "flipped", card: 0, face: "A", by: "alice" },
  { kind: "flipped", card: 1, face: "B", by: "alice" },
  { kind: "hidden", cards: [0, 1] },
  { kind: "turn", player: "bob", deadline_ms: 41_000 },
  { kind: "flipped", card: 0, face: "A", by: "bob" },
  { kind: "flipped", card: 3, face: "A", by: "bob" },
  { kind: "matched", cards: [0, 3], by: "bob", scores: { alice: 0, bob: 1 } },
  { kind: "turn", player: "bob", deadline_ms: 60_000 },
  { kind: "paused", deadline_ms: 90_000 },
  { kind: "resumed" },
  { kind: "turn", player: "bob", deadline_ms: 80_000 },
  { kind: "over", scores: { alice: 0, bob: 2 }, winners: ["bob"] },
];

const at = (count) => game.slice(0, count).reduce(apply, empty);

test("a game, step by step", () => {
  assert.deepEqual(at(1), { ...empty, players: ["alice"], scores: { alice: 0 } });
  assert.deepEqual(at(2), {
    ...empty,
    phase: "playing",
    players: ["alice", "bob"],
    scores: { alice: 0, bob: 0 },
    turn: "alice",
    deadline_ms: 20_000,
  });
  assert.deepEqual([at(4).cards, at(4).open], [["A", "B", null, null], [0, 1]]);
  assert.deepEqual([at(5).cards, at(5).open], [[null, null, null, null], []]);
  assert.equal(at(6).turn, "bob");
  assert.deepEqual([at(9).cards, at(9).open, at(9).scores], [["A", null, null, "A"], [], { alice: 0, bob: 1 }]);
  assert.equal(at(11).phase, "paused");
  assert.equal(at(13).phase, "playing");
  const { phase, turn, deadline_ms, winners, scores } = at(14);
  assert.deepEqual({ phase, turn, deadline_ms, winners, scores }, {
    phase: "over",
    turn: null,
    deadline_ms: null,
    winners: ["bob"],
    scores: { alice: 0, bob: 2 },
  });
});

test("apply does not change the previous view", () => {
  const before = at(3);
  const copy = structuredClone(before);
  apply(before, game[3]);
  apply(before, { kind: "hidden", cards: [0] });
  assert.deepEqual(before, copy);
});

test("an unknown kind changes nothing and has no words", () => {
  const view = at(4);
  assert.equal(apply(view, { kind: "confetti" }), view);
  assert.equal(describe({ kind: "confetti" }), null);
});

test("every update has words", () => {
  for (const update of game) assert.equal(typeof describe(update), "string", update.kind);
});
