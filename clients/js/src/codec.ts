// Encodings: messages to frames and back.

import type { ClientMessage, Payload } from "./messages.js";

/** A frame: text, or bytes. */
export type Frame = string | Uint8Array;

/**
 * How messages become frames. JSON is built in; `@grandstand/client/protobuf` has the other one.
 *
 * @example
 * ```ts
 * import { protobuf } from "@grandstand/client/protobuf";
 * const client = connect({ url, encoding: protobuf });
 * ```
 */
export interface Encoding {
  /** The subprotocol of the WebSocket. */
  readonly subprotocol: string;
  /** @internal */
  readonly isBinary: boolean;
  /** @internal */
  encode(message: ClientMessage): Frame;
  /** Throws if the frame is no message. @internal */
  decode(frame: Frame): unknown;
}

/** Messages as JSON in text frames: the default. */
export const json: Encoding = {
  subprotocol: "grandstand.v1.json",
  isBinary: false,
  encode({ payload, ...message }) {
    const text = JSON.stringify(message);
    if (!payload) return text;
    const data = "json" in payload ? `"data":${payload.json}` : `"data_b64":"${toBase64(payload.bytes)}"`;
    return `${text.slice(0, -1)},${data}}`;
  },
  decode(frame) {
    if (typeof frame !== "string") throw new TypeError("a binary frame");
    const message = JSON.parse(frame);
    if (typeof message?.data_b64 === "string") message.data = fromBase64(message.data_b64);
    return message;
  },
};

/** Turns an application's data into what is sent. Returns `null` if it is no JSON. */
export function toPayload(data: unknown): { payload: Payload; size: number } | null {
  if (data instanceof Uint8Array) return { payload: { bytes: data.slice() }, size: Math.ceil((data.length * 4) / 3) };
  try {
    const json = JSON.stringify(data);
    return json === undefined ? null : { payload: { json }, size: new TextEncoder().encode(json).length };
  } catch {
    return null; // a cycle, a BigInt, a `toJSON` that throws
  }
}

function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
