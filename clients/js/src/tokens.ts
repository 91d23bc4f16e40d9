// The token of a client: when it is asked for, sent, and refused. Pure.

import { Backoff } from "./backoff.js";
import type { Context, Link } from "./effects.js";
import { AuthError, type GrandstandError } from "./errors.js";
import type { Message } from "./messages.js";
import type { Peer } from "./peer.js";

const MIN_RETRY_MS = 100;

/** The token of a client, and the function of the application that returns new ones. */
export class Tokens {
  /** The token of the next connection. */
  current: string | undefined;
  readonly #hasSource: boolean;
  readonly #connects: Backoff;
  readonly #context: Context;
  /** The waits between calls of the function for a connection that is open. */
  readonly #renewals: Backoff;
  #isWanted = false;
  #wantAt: number | null = null;
  #notBefore = 0; // the next call for a token that expires
  #refused: string | null = null;
  #refusals = 0;
  /** The token that was sent on an open connection. */
  #auth: { token: string; id: number; key: number | null } | null = null;
  #authAt: number | null = null;

  constructor(token: string | undefined, hasSource: boolean, connects: Backoff, context: Context) {
    this.current = token;
    this.#hasSource = hasSource;
    this.#connects = connects;
    this.#context = context;
    this.#renewals = new Backoff({ minMs: connects.minMs, maxMs: connects.maxMs });
  }

  get deadline(): number {
    return Math.min(this.#wantAt ?? Infinity, this.#authAt ?? Infinity);
  }

  poll(now: number, active: Link | null): void {
    if (this.#wantAt !== null && now >= this.#wantAt) this.#want(now);
    if (this.#authAt === null || now < this.#authAt) return;
    this.#authAt = null;
    if (this.#auth && active) this.#send(active, this.#auth.token, this.#auth.key);
  }

  /** Whether another token than the refused one is there, or can be got. */
  get hasHope(): boolean {
    return this.#hasSource || this.#refused === null || this.current !== this.#refused;
  }

  /** Whether a connection may use the current token. If not, asks for one. */
  isUsable(now: number): boolean {
    if (this.#auth) this.current = this.#auth.token;
    if (!this.#hasSource || (this.current !== undefined && this.current !== this.#refused)) return true;
    if (this.#wantAt === null) this.#want(now);
    return false;
  }

  /** The application has another token. `key`: its promise. */
  set(token: string, key: number, active: Link | null): void {
    this.#dropAuth();
    if (active) return this.#send(active, token, key);
    this.current = token;
    this.#context.settle(key);
  }

  /** The function returned a token. Returns an error if it is the one that was refused. */
  onToken(token: string, now: number, active: Link | null): GrandstandError | null {
    this.#isWanted = false;
    if (token === this.#refused) return new AuthError("unauthenticated", "`getToken` returned a refused token");
    if (!active) this.current = token;
    else if (token === this.current) this.#wantLater(now, this.#renewals);
    else {
      this.#dropAuth();
      this.#send(active, token, null);
    }
    return null;
  }

  /** The function failed. Returns the wait before the next call; `null` if there were enough. */
  onFailed(cause: unknown, now: number, isActive: boolean): { waitMs: number | null; error: GrandstandError } {
    this.#isWanted = false;
    const waitMs = this.#wantLater(now, isActive ? this.#renewals : this.#connects);
    return { waitMs, error: new AuthError("token_failed", "`getToken` failed", { cause }) };
  }

  onExpiring(now: number): void {
    // A server that repeats itself does not make the client ask faster.
    if (this.#hasSource) this.#wantAt ??= Math.max(now, this.#notBefore);
    else this.#context.put({ do: "emit", name: "tokenExpiring", args: [] });
  }

  onRenewed(id: number | undefined): void {
    if (!this.#auth || (id != null && id !== this.#auth.id)) return;
    this.current = this.#auth.token;
    this.#renewals.reset();
    this.#settleAuth();
  }

  /** Handles an error that answers `auth`. Returns false if it does not. */
  onError({ id, code, message, retry_after_ms }: Message<"error">, now: number): boolean {
    const auth = this.#auth;
    if (!auth || id !== auth.id) return false;
    if (retry_after_ms != null) {
      this.#authAt = now + Math.max(retry_after_ms, MIN_RETRY_MS);
      return true;
    }
    const error = new AuthError(code, message || "refused");
    if (auth.key === null) this.#context.put({ do: "emit", name: "error", args: [error] });
    this.#settleAuth(error);
    if (this.#hasSource) this.#wantLater(now, this.#renewals);
    return true;
  }

  onWelcome(peer: Peer): void {
    this.#refused = null;
    if (this.#auth?.token === peer.token) this.#settleAuth();
  }

  /** A connection was closed because of its token. `isOld`: it had been open for a time. */
  onRefused(peer: Peer, isOld: boolean, error: GrandstandError): "final" | "first" | "again" {
    this.#refused = peer.token ?? "";
    if (this.#auth?.token === peer.token) this.#settleAuth(error);
    if (!this.#hasSource) return this.current === peer.token && !this.#auth ? "final" : "first";
    if (this.current === peer.token) this.current = undefined;
    this.#refusals = isOld ? 1 : this.#refusals + 1;
    return this.#refusals === 1 ? "first" : "again";
  }

  onClosed(error: GrandstandError): void {
    this.#settleAuth(error);
    this.#wantAt = null;
    this.#isWanted = false;
  }

  #want(now: number): void {
    this.#wantAt = null;
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#notBefore = now + this.#connects.minMs;
    this.#context.put({ do: "get_token" });
  }

  #wantLater(now: number, backoff: Backoff): number | null {
    const wait = backoff.fail(this.#context.random());
    if (wait !== null) this.#wantAt = now + wait;
    return wait;
  }

  #send(link: Link, token: string, key: number | null): void {
    this.#auth = { token, id: this.#context.send(link, { type: "auth", token }), key };
  }

  // A newer token takes the place of one that is not answered yet.
  #dropAuth(): void {
    this.#settleAuth(new AuthError("superseded", "another token was set"));
  }

  #settleAuth(error?: GrandstandError): void {
    const key = this.#auth?.key ?? null;
    this.#auth = this.#authAt = null;
    if (key !== null) this.#context.settle(key, error);
  }
}
