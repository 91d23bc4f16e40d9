import { readFileSync } from "node:fs";
import { AuthError, ConnectError, InputError, JoinError } from "@grandstand/client";
import { describe, expect, it } from "vitest";
import { errorWords, inputReason, inputWords, isAboutToken, isWorthRetrying, leftWords } from "../src/lib/words";

Object.assign(globalThis, { location: { origin: "http://127.0.0.1:8080", host: "127.0.0.1:8080" } });

describe("words for errors", () => {
  it("say what to do about each diagnosis", () => {
    const words = (diagnosis: string) => errorWords(new ConnectError("unreachable", "x", { diagnosis })).text;
    expect(words("captive_portal")).toContain("log in to the network");
    expect(words("offline")).toContain("network");
    expect(words("bad_response")).toContain("proxy");
    expect(errorWords(new ConnectError("unreachable", "x")).text).toContain("grandstand dev");
    expect(errorWords(new ConnectError("unsupported_protocol", "x")).text).toContain("Reload");
  });

  it("tell a refused origin from a refused token", () => {
    const refused = "pages of http://x are refused; add it to edge.origins";
    expect(errorWords(new AuthError("forbidden", refused)).text).toContain("edge.origins");
    expect(errorWords(new AuthError("unauthenticated", "expired")).title).toBe("The token is not valid");
  });

  it("tell what is wrong with a token", () => {
    const title = (message: string) => errorWords(new AuthError("unauthenticated", message)).title;
    expect(title("the token has expired")).toBe("The token has expired");
    expect(title("no token: give one as `Authorization: Bearer`")).toBe("This server wants a token");
    const { text } = errorWords(new AuthError("unauthenticated", "the token's signature is wrong"));
    expect(text).toBe("The server says: the token's signature is wrong. Give another one, or ask for a new link.");
  });

  it("offer another try only where it may help, and a token where that may", () => {
    const hopeless = ["no_such_game", "no_such_room", "bad_room", "room_too_big", "room_full", "finished"];
    for (const code of hopeless) expect(isWorthRetrying(new JoinError(code, "x")), code).toBe(false);
    for (const code of ["timeout", "busy", "too_late"])
      expect(isWorthRetrying(new JoinError(code, "x")), code).toBe(true);
    const refused = [
      new AuthError("unauthenticated", "x"),
      new AuthError("revoked", "x"),
      new JoinError("forbidden", "x"),
    ];
    for (const error of refused) expect([isAboutToken(error), isWorthRetrying(error)]).toEqual([true, false]);
    const origin = new AuthError("forbidden", "add it to edge.origins");
    for (const error of [origin, new JoinError("busy", "x"), new InputError("forbidden", "x")]) {
      expect(isAboutToken(error)).toBe(false);
    }
  });

  it("know a full room, and pass on what a game says about its options", () => {
    expect(errorWords(new JoinError("room_full", "two can play")).text).toContain("watch it");
    expect(errorWords(new JoinError("bad_params", "rows is 99, must be 1 to 8")).text).toContain("rows is 99");
    expect(errorWords(new JoinError("too_late", "the race began")).text).toBe("the race began (too_late)");
    expect(leftWords(new JoinError("afk", "afk")).text).toContain("afk");
  });

  it("have words for every reject of memory, and pass on those of other games", () => {
    const protocol = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
    const [, codes = ""] = /Rejects: (.*)\.\n/.exec(protocol) ?? [];
    const known = [...codes.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code!);
    expect(known).toContain("not_your_turn");
    for (const code of known) expect(inputWords({ code, message: code }), code).not.toContain("refused this:");
    expect(inputWords({ code: "bad_step", message: "7 is not 1, 2 or 3" })).toBe("7 is not 1, 2 or 3 (bad_step)");
  });

  it("leave the reasons of a game that they do not know as they are", () => {
    const reject = (code: string, message: string) => inputReason(new InputError(code, message, { rejected: true }));
    expect(reject("bad_input", "`step` must be 1, 2 or 3")).toEqual({
      code: "bad_input",
      text: "`step` must be 1, 2 or 3",
    });
    expect(reject("not_your_turn", "refused")).toEqual({ code: "not_your_turn", text: "The game says no more." });
    expect(inputReason(new InputError("too_big", "x")).text).toBe("This is too long.");
    expect(inputReason(new InputError("odd", "an odd thing")).text).toBe("an odd thing");
  });

  it("have words of their own for the codes that end a join", () => {
    for (const code of [
      "room_too_big",
      "room_unavailable",
      "no_such_game",
      "bad_room",
      "finished",
      "timeout",
      "kicked",
    ]) {
      expect(errorWords(new JoinError(code, "raw text")).text, code).not.toContain("raw text");
    }
    const error = new InputError("paused", "x");
    expect(errorWords(error).text).toBe("The game is paused until everybody is back.");
  });
});
