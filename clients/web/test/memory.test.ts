import { describe, expect, it } from "vitest";
import { faceName, faceOf } from "../src/games/faces";
import {
  applyUpdate,
  describeUpdate,
  headline,
  type MemoryUpdate,
  type MemoryView,
  moveFocus,
  shareLeft,
} from "../src/games/memory";

const waiting: MemoryView = {
  phase: "waiting",
  rows: 2,
  cols: 2,
  cards: [null, null, null, null],
  open: [],
  turn: null,
  deadline_ms: null,
  players: ["alice"],
  scores: { alice: 0 },
  winners: null,
};

const play = (view: MemoryView, ...updates: MemoryUpdate[]) => updates.reduce(applyUpdate, view);

describe("applyUpdate", () => {
  const started = play(waiting, { kind: "started", turn: "bob", deadline_ms: 5, players: ["alice", "bob"] });

  it("plays a whole game", () => {
    expect(started).toMatchObject({ phase: "playing", turn: "bob", scores: { alice: 0, bob: 0 }, deadline_ms: 5 });
    const missed = play(
      started,
      { kind: "flipped", card: 0, face: "A", by: "bob" },
      { kind: "flipped", card: 1, face: "B", by: "bob" },
    );
    expect(missed).toMatchObject({ cards: ["A", "B", null, null], open: [0, 1] });
    const hidden = play(missed, { kind: "hidden", cards: [0, 1] }, { kind: "turn", player: "alice", deadline_ms: 9 });
    expect(hidden).toMatchObject({ cards: [null, null, null, null], open: [], turn: "alice", deadline_ms: 9 });
    const matched = play(
      hidden,
      { kind: "flipped", card: 0, face: "A", by: "alice" },
      { kind: "flipped", card: 3, face: "A", by: "alice" },
      { kind: "matched", cards: [0, 3], by: "alice", scores: { alice: 1, bob: 0 } },
    );
    expect(matched).toMatchObject({ cards: ["A", null, null, "A"], open: [], scores: { alice: 1, bob: 0 } });
    const over = play(matched, { kind: "over", scores: { alice: 2, bob: 0 }, winners: ["alice"] });
    expect(over).toMatchObject({
      phase: "over",
      turn: null,
      deadline_ms: null,
      winners: ["alice"],
      scores: { alice: 2 },
    });
  });

  it("pauses and goes on", () => {
    const paused = play(started, { kind: "paused", deadline_ms: 70 });
    expect(paused).toMatchObject({ phase: "paused", deadline_ms: 70 });
    expect(play(paused, { kind: "resumed" }).phase).toBe("playing");
  });

  it("changes nothing for an update that it does not know, and never its argument", () => {
    const before = structuredClone(started);
    expect(applyUpdate(started, { kind: "fireworks" } as unknown as MemoryUpdate)).toBe(started);
    play(started, { kind: "flipped", card: 2, face: "A", by: "bob" }, { kind: "hidden", cards: [2] });
    expect(started).toEqual(before);
  });
});

describe("describeUpdate", () => {
  it("names cards from 1, and faces by their names", () => {
    expect(describeUpdate({ kind: "flipped", card: 5, face: "B", by: "bob" }, faceName)).toBe(
      "bob opens card 6: heart",
    );
    expect(describeUpdate({ kind: "matched", cards: [0, 3], by: "bob", scores: {} })).toBe(
      "bob has a pair: cards 1 and 4",
    );
    expect(describeUpdate({ kind: "over", scores: {}, winners: ["a", "b"] })).toBe("The game is over: a and b win");
    expect(describeUpdate({ kind: "over", scores: {}, winners: [] })).toBe("The game is over: nobody wins");
    expect(describeUpdate({ kind: "fireworks" } as unknown as MemoryUpdate)).toBeNull();
  });
});

describe("headline", () => {
  const playing: MemoryView = { ...waiting, phase: "playing", players: ["alice", "bob"], turn: "alice" };

  it("shows at a glance whose turn it is", () => {
    expect(headline(playing, "alice")).toEqual({ tone: "mine", title: "Your turn", text: "Open a card." });
    expect(headline({ ...playing, open: [1] }, "alice").text).toBe("Open a second card.");
    expect(headline({ ...playing, open: [1, 2] }, "alice").text).toContain("turn over");
    expect(headline(playing, "bob")).toMatchObject({ tone: "theirs", title: "alice’s turn" });
    expect(headline(playing, null)).toMatchObject({ tone: "theirs" });
  });

  it("tells winners, losers and spectators apart", () => {
    const over: MemoryView = { ...playing, phase: "over", turn: null, winners: ["alice"] };
    expect(headline(over, "alice")).toMatchObject({ tone: "won", title: "You win!" });
    expect(headline(over, "bob")).toMatchObject({ tone: "lost", title: "alice wins" });
    expect(headline(over, null)).toMatchObject({ tone: "over", title: "alice wins" });
    expect(headline({ ...over, winners: ["alice", "bob"] }, "bob")).toMatchObject({ tone: "over", title: "A draw" });
    expect(headline({ ...over, winners: [] }, null).title).toBe("Nobody wins");
  });

  it("says what a room waits for", () => {
    expect(headline(waiting, "alice")).toMatchObject({ tone: "waiting", text: "Here: alice" });
    expect(headline({ ...playing, phase: "paused" }, "alice").title).toBe("Paused");
  });
});

describe("moveFocus", () => {
  it("moves on the board, and not off it", () => {
    const to = (card: number, key: string) => moveFocus(card, key, 3, 4);
    expect([to(5, "ArrowLeft"), to(5, "ArrowRight"), to(5, "ArrowUp"), to(5, "ArrowDown")]).toEqual([4, 6, 1, 9]);
    expect([to(4, "ArrowLeft"), to(7, "ArrowRight"), to(1, "ArrowUp"), to(9, "ArrowDown")]).toEqual([4, 7, 1, 9]);
    expect([to(6, "Home"), to(6, "End"), to(6, "Tab")]).toEqual([4, 7, 6]);
  });
});

describe("faces", () => {
  it("has a picture of its own for each face of the game", () => {
    const faces = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"].map((face) => faceOf(face));
    expect(faces.every((face) => face && /^M[\d\s.a-zA-Z-]+z$/.test(face.path))).toBe(true);
    expect(new Set(faces.map((face) => face?.name)).size).toBe(32);
    expect(new Set(faces.map((face) => face?.path)).size).toBe(32);
    expect(faceOf("?")).toBeNull();
    expect(faceName("?")).toBe("?");
  });
});

describe("shareLeft", () => {
  it("is between 0 and 1", () => {
    expect([shareLeft(5, 20), shareLeft(30, 20), shareLeft(-1, 20), shareLeft(5, 0)]).toEqual([0.25, 1, 0, 0]);
  });
});
