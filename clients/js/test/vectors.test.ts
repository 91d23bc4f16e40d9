// The vectors of the protocol, which the clients of all languages pass.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { json } from "../src/codec.js";
import { type ClientMessage, check } from "../src/messages.js";
import { protobuf } from "../src/protobuf.js";

type Fields = Record<string, unknown>;
interface Vector {
  json?: string;
  proto?: string;
  means: Fields;
  side?: string;
  code?: string;
  why?: string;
}

const folder = process.env.GRANDSTAND_VECTORS ?? new URL("../../../common/proto/vectors/", import.meta.url).pathname;
const read = (name: string): Vector[] => JSON.parse(readFileSync(`${folder}/${name}.json`, "utf8"));
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));

/** Both encodings give bytes as `data`. */
function expected({ data_b64, ...means }: Fields): Fields {
  return typeof data_b64 === "string" ? { ...means, data: new Uint8Array(Buffer.from(data_b64, "base64")) } : means;
}

/** A message as the machines make it. */
function outgoing({ data, data_b64, ...means }: Fields): ClientMessage {
  if (typeof data_b64 === "string") means.payload = { bytes: new Uint8Array(Buffer.from(data_b64, "base64")) };
  else if (data !== undefined) means.payload = { json: JSON.stringify(data) };
  return means as unknown as ClientMessage;
}

const decoded = (value: unknown) => {
  const { data_b64: _, limits, features: __, ...message } = value as Fields;
  return { ...message, ...(limits !== undefined && { limits }) };
};

test.each(read("server"))("a server's $json", ({ json: text, proto, means }) => {
  const { features: _, ...wanted } = expected(means);
  for (const message of [json.decode(text ?? ""), protobuf.decode(bytes(proto ?? ""))]) {
    expect(check(message)).toHaveProperty("message");
    // An empty list is left out in protobuf.
    const players = means.players !== undefined && { players: (message as Fields).players ?? [] };
    expect({ ...decoded(message), ...players }).toEqual(wanted);
  }
});

test.each(read("client"))("a client's $json", ({ json: text, proto, means }) => {
  const message = outgoing(means);
  expect(JSON.parse(json.encode(message) as string)).toEqual(JSON.parse(text ?? ""));
  expect(Buffer.from(protobuf.encode(message) as Uint8Array).toString("hex")).toBe(proto);
});

test.each(read("unusual").filter(({ side }) => side === "server"))("$why", ({ json: text, proto, means }) => {
  const message = text === undefined ? protobuf.decode(bytes(proto ?? "")) : json.decode(text);
  expect(check(message)).toHaveProperty("message");
  expect(message).toMatchObject(expected(means));
});

test.each(read("refused").filter(({ side }) => side === "server"))("refused: $why", ({ json: text, proto, code }) => {
  const checked = () => {
    try {
      return check(text === undefined ? protobuf.decode(bytes(proto ?? "")) : json.decode(text));
    } catch {
      return "bad";
    }
  };
  expect(checked()).toBe(code === "unknown_type" ? "unknown" : "bad");
});
