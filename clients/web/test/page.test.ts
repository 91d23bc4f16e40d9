import { describe, expect, it } from "vitest";
import { gamesToShow, isFitted, kindOf } from "../src/games/kinds";
import { gameOf, isRoomName, linkTo, nextRoom, readAddress, subjectOf } from "../src/lib/links";
import { fetchRooms, type ListedRoom, seatsText, sortRooms } from "../src/lib/lobby";
import { excerptOf, filterPassed, Passed, toText } from "../src/lib/passed";

const page = new URL("http://127.0.0.1:8080/?x=1#y");

describe("addresses", () => {
  it("name a room, a role, a person and options", () => {
    const asked = readAddress(new URL("http://h/?room=memory-1&user=bob&role=spectator&rows=2&cols=x#token=t.u.v"));
    expect(asked).toEqual({
      visit: { room: "memory-1", role: "spectator", params: { rows: 2 } },
      user: "bob",
      token: "t.u.v",
    });
    expect(readAddress(new URL("http://h/?room=not%20a%20room")).visit).toBeNull();
    expect(readAddress(new URL("http://h/")).visit).toBeNull();
  });

  it("lead others to the room, without the name", () => {
    const link = linkTo(page, {
      room: "memory-1",
      role: "spectator",
      params: { rows: 2, secret: "x" },
      invitation: "t",
    });
    expect(link).toBe("http://127.0.0.1:8080/?room=memory-1&role=spectator&rows=2");
    expect(readAddress(new URL(link)).visit).toMatchObject({
      room: "memory-1",
      role: "spectator",
      params: { rows: 2 },
    });
  });

  it("count the games of the same players", () => {
    expect([nextRoom("memory-1"), nextRoom("memory-1-2"), nextRoom("memory-abc-9"), nextRoom("memory-a1b2")]).toEqual([
      "memory-1-2",
      "memory-1-3",
      "memory-abc-10",
      "memory-a1b2-2",
    ]);
    const long = nextRoom(`memory-${"x".repeat(57)}`);
    expect(isRoomName(long) && gameOf(long) === "memory").toBe(true);
  });

  it("read the name in a token", () => {
    const token = `x.${btoa(JSON.stringify({ sub: "alice" })).replaceAll("=", "")}.y`;
    expect([subjectOf(token), subjectOf("nonsense"), subjectOf("a.e30.b")]).toEqual(["alice", null, null]);
  });
});

const room = (name: string, more: Partial<ListedRoom> = {}): ListedRoom => ({
  room: name,
  instance: "1",
  players: 1,
  spectators: 0,
  open: true,
  seats: [1, 2],
  labels: {},
  ...more,
});

describe("the lobby", () => {
  it("asks for all pages, as the person", async () => {
    const urls: string[] = [];
    const ask = (async (url: URL) => {
      urls.push(url.href);
      const rooms = urls.length === 1 ? [room("memory-1")] : [room("relay-1")];
      return Response.json({ type: "rooms", rooms, ...(urls.length === 1 && { next: "memory-1" }) });
    }) as unknown as typeof fetch;
    const answer = await fetchRooms(page, { user: "al ice", token: null }, ask);
    expect(answer).toMatchObject({ state: "listed", isCut: false, rooms: [{ room: "memory-1" }, { room: "relay-1" }] });
    expect(urls).toEqual([
      "http://127.0.0.1:8080/v1/rooms?limit=100&user=al+ice",
      "http://127.0.0.1:8080/v1/rooms?limit=100&after=memory-1&user=al+ice",
    ]);
  });

  it("says what is wrong, and never throws", async () => {
    const why = async (response: () => Response | Promise<Response>) => {
      const answer = await fetchRooms(page, { user: "a", token: "t" }, (async () =>
        response()) as unknown as typeof fetch);
      return answer.state === "failed" ? answer.why : answer.state;
    };
    expect(await why(() => Response.json({ code: "x" }, { status: 404 }))).toContain("edge.api");
    expect(await why(() => Response.json({}, { status: 401 }))).toContain("valid token");
    expect(await why(() => Response.json({ code: "lobby_unavailable" }, { status: 503 }))).toContain(
      "not available now",
    );
    expect(await why(() => new Response("<html>"))).toContain("Something else answers");
    expect(await why(() => Promise.reject(new TypeError("no network")))).toContain("does not answer");
  });

  it("passes on why the server refuses a token", async () => {
    const refused = (async () =>
      Response.json({ message: "the token has expired" }, { status: 401 })) as unknown as typeof fetch;
    expect(await fetchRooms(page, { user: "a", token: "t" }, refused)).toMatchObject({
      refusal: "the token has expired",
    });
  });

  it("shows open rooms first, then busy ones", () => {
    const rooms = [room("b-10"), room("b-9"), room("a-1", { open: false }), room("c-1", { spectators: 5 })];
    expect(sortRooms(rooms).map(({ room }) => room)).toEqual(["c-1", "b-9", "b-10", "a-1"]);
    expect(seatsText(room("a-1"))).toBe("1 of 2 seats taken");
    expect(seatsText(room("a-1", { seats: [3, 0], players: 3 }))).toBe("3 players");
  });

  it("shows the games of the server, own ones first, and no queues", () => {
    expect(gamesToShow(["arena", "http", "memory", "queue-memory", "twentyone"], [])).toEqual([
      "twentyone",
      "memory",
      "arena",
    ]);
    expect(gamesToShow(null, ["dice"])).toEqual(["dice", "memory", "arena", "relay"]);
    expect([isFitted("memory"), isFitted("dice"), kindOf("dice").title]).toEqual([true, false, "dice"]);
  });
});

describe("the inspector", () => {
  it("filters by direction and by text, and leaves pings out", () => {
    const passed = new Passed();
    for (const type of ["ping", "pong", "update", "input"]) passed.add(type === "input" ? "out" : "in", { type });
    expect(passed.total).toBe(4);
    const messages = ["ping", "update", "input"].map((type, id) => ({
      id,
      at: 0,
      direction: type === "input" ? ("out" as const) : ("in" as const),
      type,
      text: toText({ type, room: "memory-1" }),
    }));
    const types = (filter: Partial<Parameters<typeof filterPassed>[1]>) =>
      filterPassed(messages, { direction: "both", text: "", isQuiet: true, ...filter }).map(({ type }) => type);
    expect(types({})).toEqual(["update", "input"]);
    expect(types({ isQuiet: false })).toEqual(["ping", "update", "input"]);
    expect(types({ direction: "out" })).toEqual(["input"]);
    expect(types({ text: "MEMORY-1" })).toEqual(["update", "input"]);
    expect(types({ text: "upd" })).toEqual(["update"]);
  });

  it("shows data as it is, and no tokens", () => {
    expect(toText({ type: "input", payload: { json: '{"op":"flip"}' } })).toBe('{"type":"input","data":{"op":"flip"}}');
    expect(excerptOf('{"id":3,"type":"input","room":"memory-1","seq":7}')).toBe('"seq":7');
    expect(toText({ type: "join", token: "eyJhbGciOiJIUzI1NiJ9.secret" })).not.toContain("secret");
    expect(toText({ data: { invite: { token: "eyJhbGciOiJIUzI1NiJ9.secret" } } })).not.toContain("secret");
  });
});
