// Draws a room of `relay` as a chat.

import { useEffect, useRef, useState } from "preact/hooks";
import { clock, list } from "../lib/format";
import { useStore, useTick } from "../lib/store";
import { inputWords } from "../lib/words";
import type { Session } from "../session";
import { Avatar } from "../views/parts";

const TYPING_MS = 2_500;
const TELL_MS = 1_000;

interface Said {
  readonly from?: string;
  readonly data?: unknown;
  readonly topic?: string;
  readonly key?: string;
  readonly players_only?: boolean;
}

export function Relay({ session }: { session: Session }) {
  const { view, updates } = useStore(session.room);
  const lines = useRef<HTMLDivElement>(null);
  const [typing, told] = useTyping(session);
  const error = useStore(session.refusal);
  const said = updates.filter(({ data }) => !(data as Said).key);
  useEffect(() => {
    lines.current?.scrollTo({ top: lines.current.scrollHeight });
  }, [said.length]);
  const isPlayer = session.player !== null;
  const { count = 0 } = (view ?? {}) as { count?: number };
  const isPrivate = updates.reduce(
    (isSo, { data }) => (data as Said).players_only ?? isSo,
    (view as { players_only?: boolean } | undefined)?.players_only ?? false,
  );
  return (
    <div class="chat card">
      <div id="lines" class="lines" ref={lines} role="log" aria-label="Messages" tabIndex={0}>
        <ol>
          {said.length === 0 && (
            <li class="empty">
              {count > 0
                ? `${count} messages came before you. The next ones show up here.`
                : "Nothing has been said yet."}
            </li>
          )}
          {said.map(({ version, data, at }) => (
            <Line key={version} said={data as Said} at={at} user={session.player} />
          ))}
        </ol>
      </div>
      <p class="typing hint" aria-live="off">
        {typing.length > 0 && `${list(typing)} ${typing.length === 1 ? "is" : "are"} typing…`}
      </p>
      <p class="refusal" role="alert">
        {error && error.code !== "closed" && inputWords(error)}
      </p>
      {isPlayer ? <Say session={session} told={told} isPrivate={isPrivate} /> : <p class="hint">You are watching.</p>}
    </div>
  );
}

function Line({ said, at, user }: { said: Said; at: number; user: string | null }) {
  const { from, data, topic, players_only } = said;
  if (players_only !== undefined && from === undefined && data === undefined) {
    return (
      <li class="system">{players_only ? "Spectators see nothing from now on" : "Spectators see everything again"}</li>
    );
  }
  const text = (data as { text?: string } | null)?.text ?? (typeof data === "string" ? data : JSON.stringify(data));
  const name = from ?? topic ?? "server";
  return (
    <li class={`line ${name === user ? "own" : ""}`}>
      <Avatar name={name} />
      <span class="bubble">
        <span class="from">
          {name}
          <span class="unseen">: </span>
        </span>
        <span class="text">{text}</span>
      </span>
      <time class="hint">{clock(at).slice(0, 5)}</time>
    </li>
  );
}

function Say({ session, told, isPrivate }: { session: Session; told: () => void; isPrivate: boolean }) {
  const [text, setText] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (!text.trim()) return;
    void session.act({ text });
    setText("");
  };
  return (
    <form id="say" class="say" onSubmit={submit}>
      <input
        value={text}
        maxLength={2_000}
        autocomplete="off"
        aria-label="Message"
        placeholder="Say something"
        onInput={(event) => {
          setText(event.currentTarget.value);
          told();
        }}
      />
      <button type="submit" class="button main">
        Send
      </button>
      <label class="check">
        <input
          type="checkbox"
          checked={isPrivate}
          onChange={(event) => void session.act({ op: "config", players_only: event.currentTarget.checked })}
        />
        <span>hide from spectators</span>
      </label>
    </form>
  );
}

/** Who is typing, and a function that tells the others about this person. */
function useTyping(session: Session): [names: string[], tell: () => void] {
  const typists = useRef(new Map<string, number>());
  const toldAt = useRef(0);
  const [isAny, setAny] = useState(false);
  useTick(500, isAny);
  useEffect(
    () =>
      session.onLive((data) => {
        const name = (data as { typing?: unknown } | null)?.typing;
        if (typeof name !== "string" || name === session.player) return;
        typists.current.set(name, Date.now());
        setAny(true);
      }),
    [session],
  );
  const { updates } = useStore(session.room);
  const from = (updates.at(-1)?.data as Said | undefined)?.from;
  useEffect(() => {
    if (from !== undefined) typists.current.delete(from);
  }, [updates]);
  for (const [name, at] of typists.current) if (Date.now() - at > TYPING_MS) typists.current.delete(name);
  return [
    [...typists.current.keys()],
    () => {
      if (Date.now() - toldAt.current < TELL_MS) return;
      toldAt.current = Date.now();
      session.live({ typing: session.user });
    },
  ];
}
