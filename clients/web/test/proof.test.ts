import { describe, expect, it } from "vitest";
import { Admin, AdminError, type History } from "../src/lib/admin";
import { compareHistory, Ledger } from "../src/lib/ledger";
import { canonical, inputsOf, prove, updatesOf } from "../src/lib/proof";

function ledgerOf(outcomes: ["acked" | "refused" | "failed" | "open", number | null][]): Ledger {
  const ledger = new Ledger();
  for (const [outcome, seq] of outcomes) {
    const done = ledger.begin();
    if (seq !== null) ledger.passed(seq);
    if (outcome !== "open") done(outcome, seq);
  }
  return ledger;
}

describe("Ledger", () => {
  it("adds up what became of each input", () => {
    const ledger = ledgerOf([
      ["acked", 4],
      ["refused", 5],
      ["acked", 6],
      ["open", 7],
    ]);
    ledger.passed(6);
    expect(ledger.account()).toMatchObject({ inputs: 4, acked: 2, refused: 1, open: 1, resent: 1, twice: 0 });
    expect(ledger.account()).toMatchObject({ first: 4, last: 6, isWhole: true });
    expect(ledger.account(ledger.mark())).toMatchObject({ inputs: 0, first: null, isWhole: true });
  });

  it("notices gaps, repeats and second answers", () => {
    expect(
      ledgerOf([
        ["acked", 1],
        ["acked", 3],
      ]).account().isWhole,
    ).toBe(false);
    expect(
      ledgerOf([
        ["acked", 1],
        ["acked", 1],
      ]).account().isWhole,
    ).toBe(false);
    const ledger = new Ledger();
    const done = ledger.begin();
    done("acked", 1);
    done("acked", 1);
    expect(ledger.account()).toMatchObject({ twice: 1, inputs: 1 });
  });

  it("counts from a mark", () => {
    const ledger = ledgerOf([["acked", 1]]);
    const mark = ledger.mark();
    ledger.begin()("refused", 2);
    expect(ledger.account(mark)).toMatchObject({ inputs: 1, acked: 0, refused: 1, first: 2, last: 2 });
  });
});

describe("compareHistory", () => {
  const account = ledgerOf([
    ["acked", 2],
    ["acked", 3],
    ["refused", 4],
  ]).account();
  const input = (seq: number, player = "alice") => ({ player, seq });

  it("finds each number exactly once", () => {
    const history = [input(1), input(2), input(3), input(3, "bob"), input(4)];
    expect(compareHistory(account, "alice", history)).toEqual({ missing: [], repeated: [] });
  });

  it("finds what is lost, and what was applied twice", () => {
    expect(compareHistory(account, "alice", [input(2), input(2), input(4)])).toEqual({ missing: [3], repeated: [2] });
    expect(compareHistory(account, "bob", [input(2)])).toEqual({ missing: [2, 3, 4], repeated: [] });
  });
});

// As `GET /dev/rooms/{room}/history` answers.
const history: History = {
  room: "memory-1",
  entries: [
    { seq: 10, time: "", event: { kind: "joined", player: "alice" } },
    {
      seq: 11,
      time: "",
      event: {
        kind: "input",
        player: "alice",
        input: 1,
        data: { op: "flip" },
        updates: [{ players: 2, spectators: 2, data: { kind: "flipped", card: 1 } }],
      },
    },
    { seq: 12, time: "", event: { kind: "input", player: "alice", input: 1, skipped: "repeat" } },
    { seq: 13, time: "", event: { kind: "input", player: "alice", input: 2, rejects: [{ code: "bad_card" }] } },
    { seq: 14, time: "", event: { kind: "timer", name: "turn", updates: [{ players: 3, data: { kind: "turn" } }] } },
  ],
  state: {},
  equal: true,
};

describe("prove", () => {
  const account = ledgerOf([
    ["acked", 1],
    ["refused", 2],
  ]).account();

  it("reads applied and refused inputs, but no repeats", () => {
    expect(inputsOf(history)).toEqual([
      { player: "alice", seq: 1 },
      { player: "alice", seq: 2 },
    ]);
  });

  it("reads the updates of an audience", () => {
    expect([...updatesOf(history, "player").keys()]).toEqual([2, 3]);
    expect([...updatesOf(history, "spectator").keys()]).toEqual([2]);
  });

  it("compares what was seen, whatever the order of members", () => {
    const seen = [
      { version: 1, data: "before the history begins" },
      { version: 2, data: { card: 1, kind: "flipped" } },
    ];
    const proof = prove(history, account, "alice", "player", seen);
    expect(proof).toEqual({ missing: [], repeated: [], updates: 1, different: 0, isEqual: true });
    const wrong = prove(history, account, "alice", "player", [{ version: 2, data: { card: 2, kind: "flipped" } }]);
    expect(wrong.different).toBe(1);
    expect(prove({ ...history, equal: false }, account, "alice", "player", []).isEqual).toBe(false);
    expect(prove({ ...history, equal: null }, account, "alice", "player", []).isEqual).toBeNull();
  });

  it("knows JSON by its content", () => {
    expect(canonical({ b: [1, { d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[1,{"c":2,"d":1}]}');
    expect(canonical({ a: 1 })).not.toBe(canonical({ a: "1" }));
  });
});

describe("Admin", () => {
  const answering = (status: number, body: unknown) => {
    const asked: { url: string; init: RequestInit }[] = [];
    const ask = (async (url: string, init: RequestInit) => {
      asked.push({ url, init });
      return new Response(JSON.stringify(body), { status });
    }) as unknown as typeof fetch;
    return { admin: new Admin("http://127.0.0.1:9090", ask), asked };
  };

  it("pulls a plug with the header that it wants", async () => {
    const { admin, asked } = answering(200, { plug: "edge", done: true, took_ms: 12 });
    expect(await admin.pull("edge")).toBe(12);
    expect(asked[0]).toMatchObject({
      url: "http://127.0.0.1:9090/dev/plug/edge",
      init: { method: "POST", headers: { "X-Grandstand-Plug": "1" } },
    });
  });

  it("passes refusals on in words", async () => {
    const busy = answering(409, { error: { code: "busy", message: "another plug is being pulled" } });
    await expect(busy.admin.pull("bus")).rejects.toThrow("another plug is being pulled");
    const none = answering(501, { error: { code: "not_possible" } });
    await expect(none.admin.pull("bus")).rejects.toMatchObject({ code: "not_possible", message: /not possible/ });
    const away = new Admin("http://127.0.0.1:9090", () => Promise.reject(new TypeError("failed")));
    await expect(away.history("memory-1", 5)).rejects.toBeInstanceOf(AdminError);
    await expect(away.history("memory-1", 5)).rejects.toThrow("does not answer");
  });
});
