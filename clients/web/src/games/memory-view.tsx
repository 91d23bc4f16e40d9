// Draws a room of `memory`: the players, whose turn it is, and the cards.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { enter, pageUrl, shareLink, toLobby } from "../app";
import { countdown } from "../lib/format";
import { nextRoom } from "../lib/links";
import { fetchRooms } from "../lib/lobby";
import { useStore, useTick } from "../lib/store";
import { inputWords } from "../lib/words";
import type { Session } from "../session";
import { Avatar, CopyButton, vars } from "../views/parts";
import { usePlayers } from "../views/players";
import { faceName, faceOf } from "./faces";
import { headline, isComputer, type MemoryView, moveFocus, shareLeft } from "./memory";

const LATE_MS = 5_000;
const USUAL_TURN_MS = 20_000;
const ASK_MS = 2_000;

export function MemoryGame({ session }: { session: Session }) {
  const view = useStore(session.room).view as MemoryView;
  const user = session.player;
  const head = headline(view, user);
  const isMine = head.tone === "mine";
  useEffect(() => {
    const name = `${session.visit.room} · Grandstand`;
    document.title = isMine ? `● Your turn · ${name}` : name;
  }, [isMine, session]);
  return (
    <div class="game-memory">
      <Players session={session} view={view} />
      <div class={`headline ${head.tone}`} id="status" role="status">
        <strong>{head.title}</strong> <span>{head.text}</span>
      </div>
      {view.phase === "waiting" && <Invitation session={session} view={view} />}
      {view.phase === "over" && <Again session={session} view={view} />}
      <Board session={session} view={view} isMine={isMine} />
      <Refusal session={session} />
      <Spoken session={session} />
    </div>
  );
}

/** The milliseconds until the deadline, by the server's clock, and the share of the turn that is left. */
function useTime(session: Session, deadline: number | null): { leftMs: number | null; share: number } {
  const longest = useRef(USUAL_TURN_MS);
  useTick(200, deadline !== null);
  if (deadline === null) return { leftMs: null, share: 0 };
  const leftMs = Math.max(0, deadline - (session.client.serverTime() ?? Date.now()));
  longest.current = Math.max(longest.current, leftMs);
  return { leftMs, share: shareLeft(leftMs, longest.current) };
}

function Players({ session, view }: { session: Session; view: MemoryView }) {
  const members = new Map(usePlayers(session).map(({ id, state }) => [id, state]));
  const { leftMs, share } = useTime(session, view.deadline_ms);
  const seats = Math.max(view.players.length, Number(session.visit.params?.players ?? 2));
  return (
    <ol class="players" aria-label="Players">
      {view.players.map((player) => {
        const hasTurn = view.turn === player;
        const isWinner = view.winners?.includes(player);
        const state = members.get(player) ?? "connected";
        return (
          <li
            key={player}
            class={`plate ${state} ${hasTurn ? "turn" : ""} ${isWinner ? "winner" : ""}`}
            data-player={player}
          >
            <Avatar name={player} />
            <span class="who">
              <span class="player-name">{player}</span>
              <span class="hint">
                {player === session.player ? "you" : isComputer(player) ? "computer" : ""}
                {state !== "connected" && <b class="whereabouts"> {state}</b>}
                {isWinner && <b class="won"> winner</b>}
              </span>
            </span>
            <span class="score">
              <span class="unseen">score </span>
              {view.scores[player] ?? 0}
            </span>
            {hasTurn && leftMs !== null && (
              <span class={`timer ${leftMs <= LATE_MS ? "late" : ""}`} aria-hidden="true">
                <span class="timer-bar" style={vars({ share: share.toFixed(3) })} />
                <span class="timer-text">{countdown(leftMs)}</span>
              </span>
            )}
          </li>
        );
      })}
      {view.phase === "waiting" &&
        Array.from({ length: seats - view.players.length }, (_, index) => (
          <li key={`free ${index}`} class="plate free">
            <span class="avatar" aria-hidden="true" />
            <span class="who">
              <span class="player-name">free seat</span>
            </span>
          </li>
        ))}
    </ol>
  );
}

function Invitation({ session, view }: { session: Session; view: MemoryView }) {
  const { visit } = session;
  const link = shareLink({ ...visit, role: "player", params: { ...visit.params, rows: view.rows, cols: view.cols } });
  if (session.player === null) return <p class="hint center">The game starts as soon as all seats are taken.</p>;
  return (
    <section class="invitation" aria-label="Invitation">
      <p>Send this link to whoever should play with you. The game starts as soon as all seats are taken.</p>
      <div class="copy">
        <input readOnly value={link} aria-label="Link to this room" onFocus={(event) => event.currentTarget.select()} />
        <CopyButton kind="main" text={link}>
          Copy link
        </CopyButton>
      </div>
      <p class="hint">
        Or{" "}
        <a href={link} target="_blank" rel="noopener">
          open it in another tab
        </a>{" "}
        and play against yourself.
      </p>
    </section>
  );
}

function Again({ session, view }: { session: Session; view: MemoryView }) {
  const room = nextRoom(session.visit.room);
  const bots = view.players.filter(isComputer).length;
  const { rows, cols, players } = view;
  const params = { ...session.visit.params, rows, cols, players: players.length, ...(bots && { bots }) };
  const isPlayer = session.visit.role === "player";
  const isExpected = useIsOpen(session, room);
  return (
    <div class="again actions">
      <button
        type="button"
        class="button main"
        id="again"
        onClick={() => enter({ room, role: session.visit.role, params: isPlayer ? params : undefined })}
      >
        {isPlayer ? "Play again" : "Follow to the next game"}
      </button>
      <button type="button" class="button" onClick={toLobby}>
        Back to the lobby
      </button>
      {isPlayer && bots === 0 && (
        <p class="hint" role="status">
          {isExpected ? (
            <b class="won">Somebody is waiting for you there.</b>
          ) : (
            `Whoever presses it next meets you in ${room}.`
          )}
        </p>
      )}
    </div>
  );
}

/** Whether a room has a free seat, as the lobby says. */
function useIsOpen(session: Session, room: string): boolean {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const ask = async () => {
      const answer = await fetchRooms(pageUrl(), session.identity);
      setOpen(answer.state === "listed" && answer.rooms.some((listed) => listed.room === room && listed.open));
    };
    const timer = setInterval(() => document.hidden || void ask(), ASK_MS);
    return () => clearInterval(timer);
  }, [session, room]);
  return isOpen;
}

function Board({ session, view, isMine }: { session: Session; view: MemoryView; isMine: boolean }) {
  const { rows, cols, cards, open, phase, turn } = view;
  const [focus, setFocus] = useState(0);
  const board = useRef<HTMLDivElement>(null);
  const moved = useRef(false);
  const isPlayer = session.player !== null;
  // The title has the focus after “Play again” and other ways into a room. A player goes on at the cards.
  useEffect(() => {
    if (!isPlayer || phase !== "playing" || !document.activeElement?.matches("h1")) return;
    board.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus({ preventScroll: true });
  }, [phase, isPlayer]);
  useLayoutEffect(() => {
    if (moved.current) board.current?.querySelector<HTMLElement>(`[data-card="${focus}"]`)?.focus();
    moved.current = false;
  }, [focus]);
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = moveFocus(focus, event.key, rows, cols);
    if (next !== focus || /^(Arrow|Home|End)/.test(event.key)) event.preventDefault();
    if (next === focus) return;
    moved.current = true;
    setFocus(next);
  };
  const flip = async (card: number) => {
    if (!isPlayer || phase === "waiting") return;
    const error = await session.act({ op: "flip", card });
    if (error) shake(board.current, card);
  };
  const focusable = Math.min(focus, cards.length - 1);
  return (
    <div
      id="board"
      ref={board}
      role="group"
      aria-label={`Board, ${rows} rows of ${cols} cards${isPlayer ? ". Arrow keys move, Enter opens a card" : ""}`}
      class={`board ${isMine ? "mine" : ""}`}
      data-phase={phase}
      data-turn={turn ?? ""}
      style={vars({ rows, cols })}
      onKeyDown={onKey}
    >
      {cards.map((face, card) => (
        <Card
          key={card}
          card={card}
          cols={cols}
          face={face}
          isOpen={open.includes(card)}
          isOff={!isPlayer}
          isReachable={card === focusable}
          onFlip={() => flip(card)}
          onFocus={() => setFocus(card)}
        />
      ))}
    </div>
  );
}

function shake(board: HTMLElement | null, card: number): void {
  const element = board?.querySelector(`[data-card="${card}"]`);
  if (!element || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const step = (x: number) => ({ transform: `translateX(${x}px)` });
  element.animate([step(0), step(-5), step(5), step(0)], { duration: 250 });
}

function Card({
  card,
  cols,
  face,
  isOpen,
  isOff,
  isReachable,
  onFlip,
  onFocus,
}: {
  card: number;
  cols: number;
  face: string | null;
  isOpen: boolean;
  isOff: boolean;
  isReachable: boolean;
  onFlip: () => void;
  onFocus: () => void;
}) {
  // A face stays drawn while the card turns over.
  const drawn = useRef<string | null>(null);
  drawn.current = face ?? drawn.current;
  const picture = drawn.current === null ? null : faceOf(drawn.current);
  const isMatched = face !== null && !isOpen;
  const state = face === null ? "face down" : `${faceName(face)}${isMatched ? ", found" : ""}`;
  const place = `row ${Math.floor(card / cols) + 1}, column ${(card % cols) + 1}`;
  return (
    <button
      type="button"
      class={`card-button ${face === null ? "" : "open"} ${isMatched ? "matched" : ""}`}
      data-card={card}
      data-face={face ?? ""}
      tabIndex={isReachable ? 0 : -1}
      aria-disabled={isOff || face !== null}
      aria-label={`Card ${card + 1}, ${place}: ${state}`}
      onClick={onFlip}
      onFocus={onFocus}
    >
      <span class="side back" />
      <span class="side face" style={vars({ hue: picture?.hue ?? 230 })}>
        {picture ? (
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d={picture.path} />
          </svg>
        ) : (
          drawn.current
        )}
      </span>
    </button>
  );
}

/** Tells screen readers what the others do. */
function Spoken({ session }: { session: Session }) {
  const [line] = useStore(session.log.lines);
  return (
    <p class="unseen" aria-live="polite">
      {line?.text}
    </p>
  );
}

function Refusal({ session }: { session: Session }) {
  const error = useStore(session.refusal);
  return (
    <p class="refusal" role="alert">
      {error && error.code !== "closed" && inputWords(error)}
    </p>
  );
}
