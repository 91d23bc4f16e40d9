import { expect, test } from "vitest";
import { json, toPayload } from "../src/codec.js";
import { check } from "../src/messages.js";

test("messages with all that the machines rely on pass", () => {
  const update = { type: "update", room: "r", version: 2, prev: 1, data: null, more: "ignored" };
  expect(check(update)).toEqual({ message: update });
  expect(check({ type: "later" })).toBe("unknown");
  expect(check({ type: "toString" })).toBe("unknown");
});

test.each([
  [null],
  ["text"],
  [{}],
  [{ type: 7 }],
  [{ type: "update", room: "r", version: "2", prev: 1, data: {} }],
  [{ type: "update", room: "r", version: 2, data: {} }],
  [{ type: "update", room: "r", version: 2, prev: 1 }],
  [{ type: "update", room: "r", version: 2.5, prev: 1, data: {} }],
  [{ type: "ack", room: "r", seq: -1 }],
  [{ type: "ack", room: "r", seq: 2 ** 53 }],
  [{ type: "joined", room: "r", role: "player", last_seq: "7" }],
  [{ type: "error", code: "x", retry_after_ms: "soon" }],
  [{ type: "presence", room: "r", players: 7 }],
])("%j is no message", (value) => {
  expect(check(value)).toBe("bad");
});

test("ids come first in JSON, because the server reads only the start of a message that it refuses", () => {
  const payload = { json: '{"a":1}' };
  expect(json.encode({ id: 1, type: "input", room: "r", seq: 2, payload })).toBe(
    '{"id":1,"type":"input","room":"r","seq":2,"data":{"a":1}}',
  );
});

test("bytes are base64 in JSON", () => {
  const payload = { bytes: new Uint8Array([0, 255, 16]) };
  expect(json.encode({ type: "live", room: "r", payload })).toBe('{"type":"live","room":"r","data_b64":"AP8Q"}');
  expect(json.decode('{"type":"live","room":"r","data_b64":"AP8Q"}')).toMatchObject({ data: payload.bytes });
});

test("data that is no JSON is noticed, and sizes are in bytes", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  for (const data of [cycle, 1n, undefined, () => {}]) expect(toPayload(data)).toBeNull();
  expect(toPayload("ü")?.size).toBe(4);
});
