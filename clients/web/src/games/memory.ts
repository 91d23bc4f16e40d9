// The rules of a `memory` view, without a page: a reducer that applies updates to a snapshot, and words about both.

import { list } from "../lib/format";

/** The view of a room, as `docs/protocol.md` describes it. */
export interface MemoryView {
  readonly phase: "waiting" | "playing" | "paused" | "over";
  readonly rows: number;
  readonly cols: number;
  readonly cards: readonly (string | null)[];
  readonly open: readonly number[];
  readonly turn: string | null;
  readonly deadline_ms: number | null;
  readonly players: readonly string[];
  readonly scores: Readonly<Record<string, number>>;
  readonly winners: readonly string[] | null;
}

export type MemoryUpdate =
  | { kind: "waiting"; players: string[] }
  | { kind: "started"; turn: string; deadline_ms: number; players: string[] }
  | { kind: "flipped"; card: number; face: string; by: string }
  | { kind: "matched"; cards: number[]; by: string; scores: Record<string, number> }
  | { kind: "hidden"; cards: number[] }
  | { kind: "turn"; player: string; deadline_ms: number }
  | { kind: "paused"; deadline_ms: number }
  | { kind: "resumed" }
  | { kind: "replaced"; player: string; by: string }
  | { kind: "over"; scores: Record<string, number>; winners: string[] };

/** Whether the computer plays under a name from the beginning. */
export function isComputer(player: string): boolean {
  return player.startsWith("bot-");
}

/** Returns the view after an update, without changing `view`. An update of an unknown kind changes nothing. */
export function applyUpdate(view: MemoryView, update: MemoryUpdate): MemoryView {
  switch (update.kind) {
    case "waiting":
      return { ...view, phase: "waiting", players: update.players, scores: zeros(update.players) };
    case "started": {
      const { players, turn, deadline_ms } = update;
      return { ...view, phase: "playing", players, scores: zeros(players), turn, deadline_ms };
    }
    case "flipped":
      return { ...view, cards: withFaces(view.cards, [update.card], update.face), open: [...view.open, update.card] };
    case "matched":
      return { ...view, open: view.open.filter((card) => !update.cards.includes(card)), scores: update.scores };
    case "hidden": {
      const open = view.open.filter((card) => !update.cards.includes(card));
      return { ...view, cards: withFaces(view.cards, update.cards, null), open };
    }
    case "turn":
      return { ...view, turn: update.player, deadline_ms: update.deadline_ms };
    case "paused":
      return { ...view, phase: "paused", deadline_ms: update.deadline_ms };
    case "resumed":
      return { ...view, phase: "playing" };
    case "over": {
      const { scores, winners } = update;
      return { ...view, phase: "over", scores, winners, turn: null, deadline_ms: null };
    }
    default:
      return view;
  }
}

function zeros(players: readonly string[]): Record<string, number> {
  return Object.fromEntries(players.map((player) => [player, 0]));
}

function withFaces(cards: readonly (string | null)[], indexes: readonly number[], face: string | null) {
  return cards.map((old, index) => (indexes.includes(index) ? face : old));
}

/** Describes an update in words, for the log and for screen readers; `null` for an unknown kind. */
export function describeUpdate(
  update: MemoryUpdate,
  faceName: (face: string) => string = (face) => face,
): string | null {
  const cards = (numbers: readonly number[]) => list(numbers.map((card) => String(card + 1)));
  switch (update.kind) {
    case "waiting":
      return `Waiting for players: ${list(update.players)}`;
    case "started":
      return `The game starts: ${list(update.players)}`;
    case "flipped":
      return `${update.by} opens card ${update.card + 1}: ${faceName(update.face)}`;
    case "matched":
      return `${update.by} has a pair: cards ${cards(update.cards)}`;
    case "hidden":
      return `Cards ${cards(update.cards)} are hidden again`;
    case "turn":
      return `${update.player}’s turn`;
    case "paused":
      return "Paused: a player is away";
    case "resumed":
      return "The game continues";
    case "replaced":
      return `${update.by === "computer" ? "The computer" : update.by} plays for ${update.player}`;
    case "over":
      if (!update.winners.length) return "The game is over: nobody wins";
      return `The game is over: ${list(update.winners)} ${update.winners.length === 1 ? "wins" : "win"}`;
    default:
      return null;
  }
}

/** What a person sees first: whose turn it is, or how the game ended. */
export interface Headline {
  readonly tone: "mine" | "theirs" | "waiting" | "won" | "lost" | "over";
  readonly title: string;
  readonly text: string;
}

/** The headline of a view. `user` is `null` for spectators. */
export function headline(view: MemoryView, user: string | null): Headline {
  const { phase, turn, open, winners, players } = view;
  if (phase === "waiting") {
    return { tone: "waiting", title: "Waiting for players", text: `Here: ${list(players) || "nobody yet"}` };
  }
  if (phase === "paused") {
    return { tone: "waiting", title: "Paused", text: "A player is away. The game goes on when everybody is back." };
  }
  if (phase === "over") return overHeadline(winners ?? [], user);
  if (turn !== null && turn === user) {
    if (open.length === 2) return { tone: "mine", title: "Your turn", text: "No pair. The cards turn over." };
    return { tone: "mine", title: "Your turn", text: open.length ? "Open a second card." : "Open a card." };
  }
  const text =
    open.length === 2 ? "No pair. The cards turn over." : open.length ? "One card is open." : "Nothing is open yet.";
  return { tone: "theirs", title: `${turn ?? "Nobody"}’s turn`, text };
}

function overHeadline(winners: readonly string[], user: string | null): Headline {
  if (winners.length === 0) return { tone: "over", title: "Nobody wins", text: "The game is over." };
  if (winners.length > 1) return { tone: "over", title: "A draw", text: `${list(winners)} are level.` };
  if (winners[0] === user) return { tone: "won", title: "You win!", text: "The game is over." };
  return {
    tone: user && user !== winners[0] ? "lost" : "over",
    title: `${winners[0]} wins`,
    text: "The game is over.",
  };
}

/** The card that has the focus after a key; the same one if the key leads off the board. */
export function moveFocus(card: number, key: string, rows: number, cols: number): number {
  const [row, col] = [Math.floor(card / cols), card % cols];
  switch (key) {
    case "ArrowLeft":
      return col > 0 ? card - 1 : card;
    case "ArrowRight":
      return col < cols - 1 ? card + 1 : card;
    case "ArrowUp":
      return row > 0 ? card - cols : card;
    case "ArrowDown":
      return row < rows - 1 ? card + cols : card;
    case "Home":
      return row * cols;
    case "End":
      return row * cols + cols - 1;
    default:
      return card;
  }
}

/** The share of the turn that is left, 0 to 1. A turn's length is not in the view, so the longest wait seen counts. */
export function shareLeft(leftMs: number, longestMs: number): number {
  return longestMs > 0 ? Math.min(Math.max(leftMs / longestMs, 0), 1) : 0;
}
