import { expect, test } from "vitest";
import { BINARY, encodeFrame, FrameReader, TEXT } from "../src/framing.js";

test.each([0, 125, 126, 65_535, 65_536])("a frame of %i bytes survives any split", (length) => {
  const payload = new Uint8Array(length).fill(7);
  const bytes = new Uint8Array([...encodeFrame(TEXT, payload), ...encodeFrame(BINARY, new Uint8Array([1]))]);
  for (const size of [1, 2, 3, 10, 4096, bytes.length]) {
    if (length > 1_000 && size < 10) continue;
    const reader = new FrameReader();
    const frames = [];
    for (let at = 0; at < bytes.length; at += size) frames.push(...reader.push(bytes.subarray(at, at + size)));
    expect(frames.map(({ opcode, payload }) => [opcode, payload.length])).toEqual([
      [TEXT, length],
      [BINARY, 1],
    ]);
  }
});

test("lengths are in the fewest bytes", () => {
  expect([...encodeFrame(TEXT, new Uint8Array(125))].slice(0, 2)).toEqual([0x81, 125]);
  expect([...encodeFrame(TEXT, new Uint8Array(126))].slice(0, 4)).toEqual([0x81, 126, 0, 126]);
  expect([...encodeFrame(TEXT, new Uint8Array(65_536))].slice(0, 10)).toEqual([0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
});
