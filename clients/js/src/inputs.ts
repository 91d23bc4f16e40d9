// The inputs of one room until they are answered: their numbers, their order, and when they are sent again.

import type { Context, Link } from "./effects.js";
import { type GrandstandError, InputError } from "./errors.js";
import type { Message, Payload } from "./messages.js";

const FRAME_BYTES = 192; // the most bytes of an input message without its data
const MAX_OPEN = 1_024;
const WINDOW = 64; // unless the server says otherwise

interface Input {
  readonly key: number;
  readonly payload: Payload;
  readonly size: number;
  /** 0 until the input is sent for the first time. */
  seq: number;
  /** The id of its latest message; 0 if none went out on this link. */
  id: number;
}

/** The unanswered inputs of a room, oldest first. Those with a number come before those without. */
export class Inputs {
  readonly #room: string;
  readonly #context: Context;
  #open: Input[] = [];
  #lastSeq = 0;
  #acked = 0;
  #pausedUntil: number | null = null;

  constructor(room: string, context: Context) {
    this.#room = room;
    this.#context = context;
  }

  /** When `poll` has something to do. */
  get deadline(): number {
    return this.#pausedUntil ?? Infinity;
  }

  /** Adds an input. Refuses it if too many wait, for example because the connection is away for long. */
  add(key: number, payload: Payload, size: number): void {
    if (this.#open.length >= MAX_OPEN) return this.#context.settle(key, this.#error("busy", "too many inputs"));
    this.#open.push({ key, payload, size, seq: 0, id: 0 });
  }

  /** The room is joined on another link, or again. All are sent again, as far as the server may know them. */
  restart(lastSeq: number): void {
    this.#pausedUntil = null;
    this.#acked = lastSeq;
    this.#lastSeq = Math.max(lastSeq, ...this.#open.map((input) => input.seq));
    for (const input of this.#open) input.id = 0;
  }

  /** Sends what may be sent. */
  poll(link: Link | null, now: number): void {
    if (!link || now < (this.#pausedUntil ?? 0)) return;
    this.#pausedUntil = null;
    const tooBig = this.#open.filter((input) => input.size + FRAME_BYTES > (link.limits.message_bytes || Infinity));
    for (const input of tooBig) this.#tooBig(input, `${input.size} bytes are over the limit`);
    for (const input of this.#open.slice(0, link.limits.window || WINDOW)) {
      if (input.id) continue;
      input.seq ||= ++this.#lastSeq;
      const { seq, payload } = input;
      input.id = this.#context.send(link, { type: "input", room: this.#room, seq, payload });
    }
  }

  onAck(seq: number): void {
    this.#acked = Math.min(Math.max(this.#acked, seq), this.#lastSeq);
    this.#end((input) => input.seq > 0 && input.seq <= seq);
  }

  /** The game refused an input. Returns `null` if it is not open: the answer was given before. */
  onReject({ seq, code, message }: Message<"reject">): InputError | null {
    const text = message || "refused";
    const error = new InputError(code, text, { room: this.#room, seq, rejected: true });
    return this.#end((input) => input.seq === seq, error) ? error : null;
  }

  /** The server lost acked inputs after `seq`. Those that were numbered behind them cannot follow. */
  rollBack(seq: number): boolean {
    if (seq >= this.#acked) return false;
    this.#acked = this.#lastSeq = seq;
    this.#end((input) => input.seq > 0, this.#error("room_rolled_back", "the server lost inputs"));
    return true;
  }

  /** The room was created again: inputs for the former one failed, from `seq` on. */
  onRestarted(seq = 0): void {
    if (seq === 0) this.#acked = this.#lastSeq = 0;
    const error = this.#error("room_restarted", "the room was created again");
    this.#end((input) => seq === 0 || input.seq >= seq, error);
  }

  /** The open input that an error answers. `undefined`: none; `null`: it answers an earlier sending, or one that has ended. */
  find({ id, seq }: Message<"error">): Input | null | undefined {
    if (id != null) {
      const input = this.#open.find((input) => input.id === id);
      return input ?? (seq != null ? null : undefined);
    }
    return seq == null ? undefined : (this.#open.find((input) => input.id > 0 && input.seq === seq) ?? null);
  }

  /** The server did not take an input for now. It is sent again later, with those behind it. */
  pause(until: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil ?? 0, until);
    for (const input of this.#open) input.id = 0;
  }

  get isPaused(): boolean {
    return this.#pausedUntil !== null;
  }

  /** The server did not take an input and never will, so that its number is free for the next one. */
  fail(failed: Input, code: string, message: string): void {
    const { seq } = failed;
    this.#end((input) => input === failed, this.#error(code, message, seq));
    this.#lastSeq = seq - 1;
    for (const input of this.#open) if (input.seq > seq) input.seq = input.id = 0;
  }

  /** The numbers are wrong: fails an input and all behind it. Later ones wait until the room is joined again. */
  failFrom(failed: Input, code: string, message: string): void {
    this.#end((input) => input.seq === 0 || input.seq >= failed.seq, this.#error(code, message, failed.seq));
    this.#pausedUntil = Infinity;
  }

  /** Inputs that were sent on this link and are unanswered are too big: the server closed it because of one of them. */
  failSent(message: string): void {
    for (const input of this.#open.filter((input) => input.id > 0)) this.#tooBig(input, message);
  }

  /** Fails all. */
  failAll(error: GrandstandError): void {
    this.#end(() => true, asInputError(error));
    this.#pausedUntil = null;
  }

  #tooBig(input: Input, message: string): void {
    if (input.seq) this.fail(input, "too_big", message);
    else this.#end((other) => other === input, this.#error("too_big", message));
  }

  #error(code: string, message: string, seq?: number): InputError {
    return new InputError(code, message, { room: this.#room, seq });
  }

  #end(which: (input: Input) => boolean, error?: GrandstandError): boolean {
    const ended = this.#open.filter(which);
    this.#open = this.#open.filter((input) => !ended.includes(input));
    for (const { key, seq } of ended) {
      this.#context.settle(key, error, { seq });
    }
    return ended.length > 0;
  }
}

/** The error of an input that fails because of something else. */
export function asInputError(error: GrandstandError): InputError {
  if (error instanceof InputError) return error;
  return new InputError(error.code, "the outcome is unknown", { room: error.room, cause: error });
}
