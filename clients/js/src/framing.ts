// Frames on a stream (docs/protocol.md, "QUIC"): those of RFC 6455 section 5.2, not masked, each a whole message.

import type { Frame } from "./codec.js";

/** The opcodes that are used, with the bit of a last fragment. */
export const TEXT = 0x81;
export const BINARY = 0x82;
export const CLOSE = 0x88;
export const PING = 0x89;
export const PONG = 0x8a;

/** Makes one frame. */
export function encodeFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const start = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = new Uint8Array(start + length);
  const view = new DataView(frame.buffer);
  frame[0] = opcode;
  frame[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (start === 4) view.setUint16(2, length);
  if (start === 10) view.setBigUint64(2, BigInt(length));
  frame.set(payload, start);
  return frame;
}

/** Makes the frame of a message. */
export function messageFrame(message: Frame): Uint8Array {
  return typeof message === "string"
    ? encodeFrame(TEXT, new TextEncoder().encode(message))
    : encodeFrame(BINARY, message);
}

/** The message of a frame. */
export function frameMessage(opcode: number, payload: Uint8Array): Frame {
  return opcode === TEXT ? new TextDecoder().decode(payload) : payload;
}

/** Joins the chunks of a stream, and takes whole frames out of them. */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #size = 0;
  #needed = 2;

  /** Adds a chunk, and returns the frames that are complete. */
  push(chunk: Uint8Array): { opcode: number; payload: Uint8Array }[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#needed) return [];
    let bytes = this.#join();
    const frames = [];
    for (;;) {
      const start = { 126: 4, 127: 10 }[bytes[1] ?? 0] ?? 2;
      this.#needed = start;
      if (bytes.length < start) break;
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const length = start === 2 ? (bytes[1] ?? 0) : start === 4 ? view.getUint16(2) : Number(view.getBigUint64(2));
      this.#needed = start + length;
      if (bytes.length < this.#needed) break;
      frames.push({ opcode: bytes[0] ?? 0, payload: bytes.subarray(start, this.#needed) });
      bytes = bytes.subarray(this.#needed);
    }
    this.#chunks = [bytes];
    this.#size = bytes.length;
    return frames;
  }

  #join(): Uint8Array {
    const [first] = this.#chunks;
    if (this.#chunks.length === 1 && first) return first;
    const bytes = new Uint8Array(this.#size);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
}
