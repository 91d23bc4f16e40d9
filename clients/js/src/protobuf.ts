// The protobuf encoding (common/proto/grandstand.proto), as an optional entry point. Needs the package @bufbuild/protobuf.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Encoding } from "./codec.js";
import type { ClientMessage, Payload } from "./messages.js";

type Kind = "string" | "integer" | "bool" | "json" | "strings" | Schema;
/** Fields by number: their name, and how they are read and written. */
interface Schema {
  readonly [field: number]: readonly [name: string, kind: Kind];
}
type Fields = Record<string, unknown>;

const DATA = { 1: ["json", "json"], 2: ["binary", "json"] } as const;
const PLAYER: Schema = { 1: ["id", "string"], 2: ["state", "string"] };
const LIMITS: Schema = {
  1: ["message_bytes", "integer"],
  2: ["rooms", "integer"],
  3: ["window", "integer"],
  4: ["json_depth", "integer"],
};

/** The messages of a server by the number of their field in `ServerMessage`. */
const SERVER: Record<number, readonly [type: string, schema: Schema, defaults: Fields]> = {
  2: [
    "welcome",
    {
      1: ["connection", "string"],
      2: ["edge", "string"],
      3: ["protocol", "integer"],
      4: ["heartbeat_ms", "integer"],
      5: ["limits", LIMITS],
      6: ["features", "strings"],
    },
    { connection: "", edge: "", protocol: 0, heartbeat_ms: 0 },
  ],
  3: [
    "joined",
    { 1: ["room", "string"], 2: ["role", "string"], 3: ["instance", "string"], 4: ["last_seq", "integer"] },
    { room: "", role: "" },
  ],
  4: ["left", { 1: ["room", "string"], 2: ["code", "string"] }, { room: "", code: "" }],
  5: [
    "snapshot",
    { ...DATA, 3: ["room", "string"], 4: ["epoch", "string"], 5: ["version", "integer"], 6: ["patch", "string"] },
    { room: "", epoch: "", version: 0 },
  ],
  6: [
    "update",
    { ...DATA, 3: ["room", "string"], 4: ["version", "integer"], 5: ["prev", "integer"] },
    { room: "", version: 0, prev: 0 },
  ],
  7: ["direct", { ...DATA, 3: ["room", "string"] }, { room: "" }],
  8: ["live", { ...DATA, 3: ["room", "string"], 4: ["n", "integer"] }, { room: "" }],
  9: ["ack", { 1: ["room", "string"], 2: ["seq", "integer"] }, { room: "", seq: 0 }],
  10: [
    "reject",
    { 1: ["room", "string"], 2: ["seq", "integer"], 3: ["code", "string"], 4: ["message", "string"] },
    { room: "", seq: 0, code: "", message: "" },
  ],
  11: [
    "presence",
    { 1: ["room", "string"], 2: ["players", PLAYER], 3: ["player_count", "integer"], 4: ["viewers", "integer"] },
    { room: "", viewers: 0 },
  ],
  12: ["pong", { 1: ["time_ms", "integer"] }, { time_ms: 0 }],
  13: ["notice", { 1: ["code", "string"], 2: ["reconnect_in_ms", "integer"] }, { code: "" }],
  14: [
    "error",
    {
      1: ["code", "string"],
      2: ["message", "string"],
      3: ["room", "string"],
      4: ["seq", "integer"],
      5: ["retry_after_ms", "integer"],
    },
    { code: "", message: "" },
  ],
};

/** The messages of a client: the number of their field in `ClientMessage`, and their fields. */
const CLIENT: Record<ClientMessage["type"], readonly [field: number, schema: Schema]> = {
  join: [
    2,
    {
      1: ["room", "string"],
      2: ["since", "integer"],
      3: ["epoch", "string"],
      4: ["role", "string"],
      5: ["params", "json"],
      6: ["client", "string"],
      7: ["attempt", "integer"],
      8: ["datagrams", "bool"],
      9: ["token", "string"],
    },
  ],
  leave: [3, { 1: ["room", "string"] }],
  input: [4, { 3: ["room", "string"], 4: ["seq", "integer"] }],
  live: [5, { 3: ["room", "string"] }],
  ping: [6, {}],
  auth: [7, { 1: ["token", "string"] }],
};

/**
 * The protobuf encoding: binary frames, which are smaller and may carry bytes. It needs the package `@bufbuild/protobuf`.
 *
 * @example
 * ```ts
 * import { connect } from "@grandstand/client";
 * import { protobuf } from "@grandstand/client/protobuf";
 *
 * const client = connect({ url: "wss://play.example.org", encoding: protobuf });
 * ```
 */
export const protobuf: Encoding = {
  subprotocol: "grandstand.v1.proto",
  isBinary: true,
  encode(message) {
    const [field, schema] = CLIENT[message.type];
    const writer = new BinaryWriter();
    if (message.id !== undefined) writer.tag(1, WireType.Varint).uint64(message.id);
    writer.tag(field, WireType.LengthDelimited).fork();
    if (message.payload) writePayload(writer, message.payload);
    write(writer, message as unknown as Fields, schema);
    return writer.join().finish();
  },
  decode(frame) {
    if (typeof frame === "string") throw new TypeError("a text frame");
    const reader = open(frame);
    let message: Fields = { type: "unknown" };
    let id: number | undefined;
    while (reader.pos < reader.len) {
      const [field, wire] = reader.tag();
      const known = SERVER[field];
      if (field === 1 && wire === WireType.Varint) id = count(reader.uint64());
      else if (known && wire === WireType.LengthDelimited) {
        const [type, schema, defaults] = known;
        message = { type, ...defaults, ...read(open(reader.bytes()), schema) };
      } else reader.skip(wire);
    }
    return id === undefined ? message : { id, ...message };
  },
};

/** Numbers that proto3 leaves out if they are zero. */
const IMPLICIT = /^(seq|attempt)$/;

function write(writer: BinaryWriter, fields: Fields, schema: Schema): void {
  for (const [number, [name, kind]] of Object.entries(schema) as unknown as [string, readonly [string, Kind]][]) {
    const value = fields[name];
    if (value === undefined || (value === 0 && IMPLICIT.test(name))) continue;
    const field = Number(number);
    if (kind === "string") writer.tag(field, WireType.LengthDelimited).string(value as string);
    else if (kind === "integer") writer.tag(field, WireType.Varint).uint64(value as number);
    else if (kind === "bool") writer.tag(field, WireType.Varint).bool(value as boolean);
    else writer.tag(field, WireType.LengthDelimited).string(JSON.stringify(value));
  }
}

function writePayload(writer: BinaryWriter, payload: Payload): void {
  if ("json" in payload) writer.tag(1, WireType.LengthDelimited).string(payload.json);
  else writer.tag(2, WireType.LengthDelimited).bytes(payload.bytes);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

function open(bytes: Uint8Array): BinaryReader {
  return new BinaryReader(bytes, (text) => UTF8.decode(text));
}

function read(reader: BinaryReader, schema: Schema): Fields {
  const fields: Fields = {};
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    const known = schema[field];
    if (!known) {
      reader.skip(wire);
      continue;
    }
    const [name, kind] = known;
    const isNumber = kind === "integer" || kind === "bool";
    if (wire !== (isNumber ? WireType.Varint : WireType.LengthDelimited))
      throw new TypeError(`${name} has another type`);
    if (kind === "integer") fields[name] = count(reader.uint64());
    else if (kind === "bool") fields[name] = reader.bool();
    else if (kind === "string") fields[name] = reader.string();
    else if (kind === "strings") fields[name] = [...((fields[name] as string[]) ?? []), reader.string()];
    else if (kind !== "json") readNested(fields, name, read(open(reader.bytes()), kind));
    else if (name === "binary") fields.data = reader.bytes().slice();
    else fields.data = JSON.parse(reader.string());
  }
  return fields;
}

function readNested(fields: Fields, name: string, value: Fields): void {
  if (name === "players") fields[name] = [...((fields[name] as Fields[]) ?? []), { id: "", state: "", ...value }];
  else fields[name] = value;
}

function count(value: bigint | string): number {
  return Number(value);
}
