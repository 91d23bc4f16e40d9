// Pulls a plug under the running game, measures the pause that this page saw, and proves that nothing was lost.

import { Admin, AdminError, type Plug } from "../lib/admin";
import type { Account } from "../lib/ledger";
import type { Pause } from "../lib/pause";
import { type Proof, prove } from "../lib/proof";
import { Store } from "../lib/store";
import type { Session } from "../session";

const PROBE_MS = 100;
const BEFORE_MS = 700;
const AFTER_MS = 700;
const MOST_MS = 30_000;
const HISTORY = 1_000;

/** What came of one pull. */
export interface Pull {
  readonly id: number;
  readonly plug: Plug;
  readonly state: "pulling" | "waiting" | "done" | "failed";
  readonly tookMs: number | null;
  readonly pause: Pause | null;
  readonly account: Account | null;
  readonly proof: Proof | null;
  /** Why there is no proof. */
  readonly noProof: string | null;
  readonly problem: string | null;
}

export class Pulls {
  /** The newest first. */
  readonly all = new Store<readonly Pull[]>([]);
  readonly isBusy = new Store(false);
  readonly admin: Admin;
  readonly #session: Session;
  #next = 1;

  constructor(session: Session, origin: string) {
    this.#session = session;
    this.admin = new Admin(origin);
  }

  /** Pulls a plug. `probe` is sent every 100 ms meanwhile, if there is one. */
  async pull(plug: Plug, probe: unknown): Promise<void> {
    if (this.isBusy.value) return;
    this.isBusy.set(true);
    const { ledger, pauses } = this.#session;
    const id = this.#next++;
    const mark = ledger.mark();
    this.all.set([
      {
        id,
        plug,
        state: "pulling",
        tookMs: null,
        pause: null,
        account: null,
        proof: null,
        noProof: null,
        problem: null,
      },
      ...this.all.value,
    ]);
    const stop = this.#probe(probe);
    try {
      await sleep(BEFORE_MS);
      const pulledAt = performance.now();
      const tookMs = await this.admin.pull(plug);
      this.#change(id, { state: "waiting", tookMs });
      const doneAt = performance.now();
      const isBack = () =>
        this.#session.status.value.state === "connected" && (probe === undefined || pauses.countSince(doneAt) > 0);
      await until(isBack);
      await sleep(AFTER_MS);
      stop();
      await until(() => ledger.account(mark).open === 0);
      const account = ledger.account(mark);
      this.#change(id, { account, pause: pauses.longest(pulledAt) });
      this.#change(id, { ...(await this.#prove(account)), state: "done" });
    } catch (caught) {
      const problem = caught instanceof AdminError || caught instanceof TimeoutError ? caught.message : String(caught);
      this.#change(id, { state: "failed", problem, account: ledger.account(mark) });
    } finally {
      stop();
      this.isBusy.set(false);
    }
  }

  #probe(probe: unknown): () => void {
    const session = this.#session;
    if (probe === undefined || session.player === null) return () => {};
    const send = () => void session.send(probe);
    send();
    const timer = setInterval(send, PROBE_MS);
    return () => clearInterval(timer);
  }

  async #prove(account: Account): Promise<{ proof: Proof } | { noProof: string }> {
    const { visit, user, room, player } = this.#session;
    try {
      const seen = room.value.updates;
      const history = await this.admin.history(visit.room, HISTORY);
      return { proof: prove(history, account, user, player === null ? "spectator" : "player", seen) };
    } catch (caught) {
      return { noProof: caught instanceof Error ? caught.message : String(caught) };
    }
  }

  #change(id: number, part: Partial<Pull>): void {
    this.all.set(this.all.value.map((pull) => (pull.id === id ? { ...pull, ...part } : pull)));
  }
}

class TimeoutError extends Error {}

function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

async function until(test: () => boolean): Promise<void> {
  const end = performance.now() + MOST_MS;
  while (!test()) {
    if (performance.now() > end) throw new TimeoutError("The game did not go on within 30 seconds.");
    await sleep(30);
  }
}
