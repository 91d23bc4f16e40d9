// Looks for an opponent in a queue of the server, and follows its invitation.

import { type Client, connect, type GrandstandError, type Room } from "@grandstand/client";
import type { Visit } from "./lib/links";
import type { Identity } from "./lib/lobby";
import { Store } from "./lib/store";
import { errorWords, inputWords, isAboutToken, leftWords } from "./lib/words";
import { addressFor } from "./session";

const QUEUE = "queue-memory";

export type SearchState =
  | { readonly state: "off" }
  | {
      readonly state: "waiting";
      readonly since: number;
      readonly others: number | null;
      readonly trouble: string | null;
    }
  | { readonly state: "found"; readonly visit: Visit }
  | { readonly state: "failed"; readonly title: string; readonly text: string; readonly isAboutToken?: boolean };

/** What the queue sends to one player. */
interface Direct {
  readonly invite?: { readonly room: string; readonly params?: Record<string, unknown>; readonly token?: string };
  readonly withdrawn?: { readonly by: string };
  readonly expired?: object;
}

export class Search {
  readonly state = new Store<SearchState>({ state: "off" });
  #client: Client | null = null;

  start(page: URL, identity: Identity): void {
    this.stop();
    const client = connect({ url: addressFor(page, identity), token: identity.token ?? undefined });
    this.#client = client;
    this.state.set({ state: "waiting", since: Date.now(), others: null, trouble: null });
    client.on("status", ({ state, error }) => {
      if (this.#client !== client) return;
      const trouble = error && state !== "connected" ? errorWords(error).title : null;
      if (state === "closed" && error && error.code !== "closed") this.#fail(error);
      else this.#wait({ trouble });
    });
    void this.#enter(client, QUEUE, undefined, false);
  }

  /** Ends the search. Leaving the queue withdraws the ticket. */
  stop(): void {
    const client = this.#client;
    this.#client = null;
    this.state.set({ state: "off" });
    client?.close();
  }

  async #enter(client: Client, queue: string, token: string | undefined, resume: boolean): Promise<void> {
    try {
      const room: Room = await client.join(queue, {
        token,
        timeoutMs: Number.POSITIVE_INFINITY,
        on: {
          change: (view: { waiting?: number } | undefined) => {
            if (typeof view?.waiting === "number") this.#wait({ others: Math.max(view.waiting - 1, 0) });
          },
          direct: (data) => this.#onDirect(client, data as Direct),
          left: (error) => {
            if (this.#client === client && error.code !== "moved" && error.code !== "left") this.#fail(error);
          },
        },
      });
      await room.send({ op: "enter", ticket: {}, ...(resume && { resume }) });
    } catch (caught) {
      const error = caught as GrandstandError;
      if (this.#client !== client || ["closed", "already_waiting", "left", "moved"].includes(error.code)) return;
      this.#fail(error);
    }
  }

  #onDirect(client: Client, { invite, withdrawn, expired }: Direct): void {
    if (this.#client !== client) return;
    if (invite?.room.startsWith("queue-")) void this.#enter(client, invite.room, invite.token, true);
    else if (invite) {
      const { room, params, token } = invite;
      this.#close(client);
      this.state.set({ state: "found", visit: { room, role: "player", params, invitation: token } });
    } else if (withdrawn || expired) {
      this.#close(client);
      this.state.set({
        state: "failed",
        title: "Nobody was found",
        text: expired
          ? "Nobody came in ten minutes. Try again, or play the computer."
          : "The search was ended from elsewhere.",
      });
    }
  }

  #wait(part: { others?: number | null; trouble?: string | null }): void {
    const { value } = this.state;
    if (value.state === "waiting") this.state.set({ ...value, ...part });
  }

  #fail(error: GrandstandError): void {
    const client = this.#client;
    if (client) this.#close(client);
    const words =
      error.code === "no_such_game"
        ? { title: "This server has no queue", text: "Open a room, and send its link to a friend." }
        : error.name === "InputError"
          ? { title: "The queue did not take you", text: inputWords(error) }
          : error.name === "JoinError"
            ? leftWords(error)
            : errorWords(error);
    this.state.set({ state: "failed", ...words, isAboutToken: isAboutToken(error) });
  }

  #close(client: Client): void {
    if (this.#client === client) this.#client = null;
    void client.close();
  }
}
