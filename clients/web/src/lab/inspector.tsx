// The inspector: the messages of this connection as they pass, and the room's history.

import { useMemo, useState } from "preact/hooks";
import { Admin, type HistoryEntry } from "../lib/admin";
import { clock } from "../lib/format";
import { excerptOf, type Filter, filterPassed, type PassedMessage } from "../lib/passed";
import { useStore } from "../lib/store";
import type { Session } from "../session";
import { coloured } from "../views/json";

const SHOWN = 200;
const HISTORY = 200;

export function Inspector({ session, admin }: { session: Session; admin: string | null }) {
  const [source, setSource] = useState<"messages" | "history">("messages");
  return (
    <div id="inspector">
      <div class="heading">
        <h2>Inspector</h2>
        {admin && (
          <div class="segments" role="group" aria-label="What to inspect">
            {(["messages", "history"] as const).map((each) => (
              <button key={each} type="button" aria-pressed={source === each} onClick={() => setSource(each)}>
                {each === "messages" ? "Messages" : "History"}
              </button>
            ))}
          </div>
        )}
      </div>
      {source === "messages" || !admin ? (
        <Messages session={session} />
      ) : (
        <RoomHistory session={session} admin={admin} />
      )}
    </div>
  );
}

function Messages({ session }: { session: Session }) {
  const { passed } = session;
  const messages = useStore(passed.shown);
  const isPaused = useStore(passed.isPaused);
  const [filter, setFilter] = useState<Filter>({ direction: "both", text: "", isQuiet: true });
  const shown = useMemo(() => filterPassed(messages, filter).slice(-SHOWN).reverse(), [messages, filter]);
  return (
    <>
      <div class="toolbar">
        <input
          type="search"
          class="code"
          aria-label="Filter by type or text"
          placeholder="Filter"
          value={filter.text}
          spellcheck={false}
          onInput={(event) => setFilter({ ...filter, text: event.currentTarget.value })}
        />
        <select
          aria-label="Direction"
          value={filter.direction}
          onChange={(event) => setFilter({ ...filter, direction: event.currentTarget.value as Filter["direction"] })}
        >
          <option value="both">both ways</option>
          <option value="in">received</option>
          <option value="out">sent</option>
        </select>
      </div>
      <div class="toolbar">
        <button type="button" class="button small" aria-pressed={isPaused} onClick={() => passed.pause(!isPaused)}>
          {isPaused ? "Go on" : "Pause"}
        </button>
        <button type="button" class="button small" onClick={() => passed.clear()}>
          Clear
        </button>
        <label class="check small">
          <input
            type="checkbox"
            checked={!filter.isQuiet}
            onChange={(event) => setFilter({ ...filter, isQuiet: !event.currentTarget.checked })}
          />
          <span>pings</span>
        </label>
        <span class="hint figure">
          {shown.length} of {passed.total}
        </span>
      </div>
      <ol class="messages" tabIndex={0} aria-label="Messages, the newest first">
        {shown.length === 0 && (
          <li class="empty">{messages.length ? "Nothing fits the filter." : "Nothing has passed yet."}</li>
        )}
        {shown.map((message) => (
          <MessageRow key={message.id} message={message} />
        ))}
      </ol>
    </>
  );
}

function MessageRow({ message: { at, direction, type, text } }: { message: PassedMessage }) {
  return (
    <li class={direction} data-type={type}>
      <details>
        <summary>
          <span class="arrow" aria-hidden="true">
            {direction === "in" ? "↓" : "↑"}
          </span>
          <span class="unseen">{direction === "in" ? "received" : "sent"}</span>
          <span class="type">{type}</span>
          <code class="excerpt">{excerptOf(text)}</code>
          <time class="figure">{clock(at)}</time>
        </summary>
        <pre class="json">{coloured(JSON.stringify(JSON.parse(text), null, 2))}</pre>
      </details>
    </li>
  );
}

type HistoryState =
  | { state: "none" }
  | { state: "loading" }
  | { state: "failed"; why: string }
  | { state: "read"; entries: readonly HistoryEntry[]; isEqual: boolean | null; text: string };

function RoomHistory({ session, admin }: { session: Session; admin: string }) {
  const [history, setHistory] = useState<HistoryState>({ state: "none" });
  const read = async () => {
    setHistory({ state: "loading" });
    try {
      const { entries, equal, state } = await new Admin(admin).history(session.visit.room, HISTORY);
      setHistory({ state: "read", entries, isEqual: equal, text: JSON.stringify(state, null, 2) ?? "nothing" });
    } catch (caught) {
      setHistory({ state: "failed", why: caught instanceof Error ? caught.message : String(caught) });
    }
  };
  return (
    <div id="history">
      <p class="hint">Everything that happened in this room, from its log, as “grandstand replay” reads it.</p>
      <button type="button" class="button small" onClick={read} aria-disabled={history.state === "loading"}>
        {history.state === "read" ? "Read again" : "Read the history"}
      </button>
      {history.state === "failed" && (
        <p class="problem" role="alert">
          {history.why}
        </p>
      )}
      {history.state === "read" && (
        <>
          <p class={history.isEqual === false ? "bad fact" : "good fact"} role="status">
            {history.isEqual !== false
              ? `The room made again from ${history.entries.length} entries is the one that is played.`
              : "The room made again from its history is another one than the one that is played."}
          </p>
          <ol class="messages" tabIndex={0} aria-label="Entries, the newest first">
            {[...history.entries].reverse().map((entry) => (
              <li key={entry.seq} data-type="entry">
                <details>
                  <summary>
                    <span class="hint figure">{entry.seq}</span>
                    <EntryWords entry={entry} />
                  </summary>
                  <pre class="json">{coloured(JSON.stringify(entry, null, 2))}</pre>
                </details>
              </li>
            ))}
          </ol>
          <h3>State</h3>
          <pre class="json" tabIndex={0} role="region" aria-label="State of the room">
            {coloured(history.text)}
          </pre>
        </>
      )}
    </div>
  );
}

function EntryWords({ entry: { event } }: { entry: HistoryEntry }) {
  const { kind, player, data, name, skipped } = (event ?? {}) as Record<string, unknown>;
  const words = [player, name, data === undefined ? undefined : JSON.stringify(data), skipped && `(${skipped})`];
  return (
    <>
      <span class="type">{String(kind ?? "entry")}</span>
      <code class="excerpt">{words.filter(Boolean).join(" ")}</code>
    </>
  );
}
