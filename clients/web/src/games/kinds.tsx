// The games that this page knows: how they are introduced, and what a new room of them is like.

import type { JSX } from "preact";

export interface Kind {
  readonly game: string;
  readonly title: string;
  readonly text: string;
  readonly picture: JSX.Element;
}

const MEMORY = (
  <svg viewBox="0 0 64 40" aria-hidden="true">
    <rect class="a" x="9" y="6" width="20" height="28" rx="4" transform="rotate(-8 19 20)" />
    <rect class="b" x="34" y="6" width="20" height="28" rx="4" transform="rotate(7 44 20)" />
    <path
      class="c"
      transform="translate(33.8 9.5) rotate(7 10 10) scale(.85)"
      d="M12 2l3 6.6 7.1.8-5.3 4.8 1.5 7L12 17.7l-6.3 3.5 1.5-7L1.9 9.4 9 8.6z"
    />
  </svg>
);

const RELAY = (
  <svg viewBox="0 0 64 40" aria-hidden="true">
    <path class="a" d="M12 5h22a5 5 0 0 1 5 5v9a5 5 0 0 1-5 5H20l-7 6v-6h-1a5 5 0 0 1-5-5v-9a5 5 0 0 1 5-5z" />
    <path class="b" d="M34 14h18a5 5 0 0 1 5 5v8a5 5 0 0 1-5 5h-1v5l-6-5H34a5 5 0 0 1-5-5v-8a5 5 0 0 1 5-5z" />
    <path class="d" d="M36 21h14M36 26h9" />
  </svg>
);

const ARENA = (
  <svg viewBox="0 0 64 40" aria-hidden="true">
    <rect class="e" x="4" y="4" width="56" height="32" rx="6" />
    <circle class="a" cx="20" cy="22" r="8" />
    <circle class="b" cx="44" cy="16" r="6" />
    <circle class="c" cx="34" cy="29" r="3" />
    <circle class="c" cx="31" cy="11" r="3" />
  </svg>
);

const OWN = (
  <svg viewBox="0 0 64 40" aria-hidden="true">
    <path class="f" d="M24 9L12 20l12 11M40 9l12 11-12 11M36 6l-8 28" />
  </svg>
);

const KINDS: readonly Kind[] = [
  {
    game: "memory",
    title: "Memory",
    text: "Take turns to find pairs. Two to four players, or the computer.",
    picture: MEMORY,
  },
  {
    game: "arena",
    title: "Arena",
    text: "Roll discs and collect coins in real time, up to sixteen at once.",
    picture: ARENA,
  },
  {
    game: "relay",
    title: "Relay",
    text: "A chat: everything that one player sends reaches all others.",
    picture: RELAY,
  },
];

/** How a game is introduced: also one that this page does not know. */
export function kindOf(game: string): Kind {
  const known = KINDS.find((kind) => kind.game === game);
  return (
    known ?? {
      game,
      title: game,
      text: "A game of this server. Watch its state, and send it inputs as JSON.",
      picture: OWN,
    }
  );
}

/** Whether the page has a view for a game, or shows its state as it is. */
export function isFitted(game: string): boolean {
  return KINDS.some((kind) => kind.game === game);
}

/** The games to show: those of the server if it has told them, else all that this page knows, and those that have rooms. */
export function gamesToShow(told: readonly string[] | null, listed: readonly string[]): string[] {
  // Rooms of `http` need the name of an endpoint, which nobody types here.
  const own = told?.filter((game) => game !== "http") ?? KINDS.map(({ game }) => game);
  const all = new Set([...own, ...listed]);
  const order = (game: string) => KINDS.findIndex((kind) => kind.game === game);
  // Own games first: their author wants to see them.
  return [...all].filter((game) => !game.startsWith("queue")).sort((a, b) => order(a) - order(b) || a.localeCompare(b));
}
