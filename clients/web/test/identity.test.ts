import { describe, expect, it } from "vitest";
import { identify, tokenIn, visitOf } from "../src/lib/identity";
import { readAddress } from "../src/lib/links";

const tokenFor = (sub: string) => `x.${btoa(JSON.stringify({ sub })).replaceAll("=", "")}.y`;
const at = (address: string) => readAddress(new URL(address, "http://h/"));
const nobody = { user: null, token: null };
const random = () => "random";

describe("a person", () => {
  it("is the player of the token, and stays so after a reload", () => {
    const token = tokenFor("alice");
    const first = identify(at(`/?room=memory-1#token=${token}`), nobody, random);
    expect(first).toEqual({ user: "alice", token });
    expect(identify(at("/?room=memory-1"), first, random)).toEqual(first);
  });

  it("keeps a name without a token", () => {
    const first = identify(at("/"), nobody, random);
    expect(first).toEqual({ user: "random", token: null });
    expect(identify(at("/"), first, () => "another")).toEqual(first);
  });

  it("is somebody else if the address says so", () => {
    const kept = { user: "alice", token: tokenFor("alice") };
    expect(identify(at("/?user=bob"), kept, random)).toEqual({ user: "bob", token: null });
    expect(identify(at("/?user=alice"), kept, random)).toEqual(kept);
    expect(identify(at(`/#token=${tokenFor("bob")}`), kept, random)).toEqual({ user: "bob", token: tokenFor("bob") });
    expect(identify(at("/#token="), { user: "bob", token: null }, random)).toEqual({ user: "bob", token: null });
  });
});

describe("a reload", () => {
  it("brings back the invitation to the room", () => {
    const visit = { room: "memory-1", role: "player" as const, params: { rows: 2 }, invitation: "t" };
    expect(visitOf(at("/?room=memory-1"), { visit })).toBe(visit);
    for (const other of ["/?room=memory-2", "/?room=memory-1&role=spectator"]) {
      expect(visitOf(at(other), { visit })?.invitation).toBeUndefined();
    }
    expect([visitOf(at("/"), { visit }), visitOf(at("/"), null), visitOf(at("/"), "x")]).toEqual([null, null, null]);
  });
});

describe("a pasted text", () => {
  it("is a token, or a link with one", () => {
    const token = tokenFor("alice");
    for (const text of [
      token,
      `  ${token}\n`,
      `Bearer ${token}`,
      `https://play.example.com/?room=memory-1#token=${token}`,
      `http://h/?token=${token}&room=memory-1`,
    ]) {
      expect(tokenIn(text), text).toBe(token);
    }
    for (const text of ["", "alice", "a.b", "a.b.c d", "https://play.example.com/"]) expect(tokenIn(text)).toBeNull();
  });
});
