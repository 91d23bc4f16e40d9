import type { PlayerPresence } from "@grandstand/client";
import { describe, expect, it } from "vitest";
import { changes, follow, type Member } from "../src/lib/roster";

const here = (id: string): PlayerPresence => ({ id, state: "connected" });
const lost = (id: string): PlayerPresence => ({ id, state: "lost" });
const states = (members: readonly Member[]) => Object.fromEntries(members.map(({ id, state }) => [id, state]));

describe("the list of players", () => {
  const both = follow([], { players: [here("ada"), here("bo")] });

  it("says who is connected, away, and has left", () => {
    expect(states(both)).toEqual({ ada: "connected", bo: "connected" });
    const away = follow(both, { players: [here("ada"), lost("bo")] });
    expect(states(away)).toEqual({ ada: "connected", bo: "away" });
    const left = follow(away, { players: [here("ada")] });
    expect(left).toEqual([
      { id: "ada", state: "connected" },
      { id: "bo", state: "left" },
    ]);
    expect(states(follow(left, { players: [here("ada"), here("bo")] }))).toEqual({ ada: "connected", bo: "connected" });
  });

  it("shows a late comer who had left before", () => {
    expect(states(follow([], { players: [here("ada")] }, ["ada", "bo"]))).toEqual({ ada: "connected", bo: "left" });
  });

  it("remembers few of many", () => {
    let members: Member[] = [];
    for (let number = 0; number < 40; number++) members = follow(members, { players: [here(`p${number}`)] });
    expect(members).toHaveLength(17);
    expect([members[1], members[16]]).toEqual([
      { id: "p38", state: "left" },
      { id: "p23", state: "left" },
    ]);
    expect(follow(members, {})).toEqual([]);
  });

  it("tells what has changed", () => {
    const away = follow(both, { players: [lost("ada"), here("cy")] });
    expect(changes(both, away)).toEqual(["ada is away", "bo left"]);
    expect(changes(away, both)).toEqual(["ada is back", "bo is back"]);
    expect(changes(both, both)).toEqual([]);
  });
});
