// The view of a room of `memory`: a reducer that applies updates to a snapshot. Independent of the page.

/** Returns the view after an update, without changing `view`. An update of an unknown kind changes nothing. */
export function apply(view, update) {
  switch (update.kind) {
    case "waiting":
      return { ...view, phase: "waiting", players: update.players, scores: zeros(update.players) };
    case "started":
      return {
        ...view,
        phase: "playing",
        players: update.players,
        scores: zeros(update.players),
        turn: update.turn,
        deadline_ms: update.deadline_ms,
      };
    case "flipped":
      return { ...view, cards: withFaces(view.cards, [update.card], update.face), open: [...view.open, update.card] };
    case "matched":
      return { ...view, open: view.open.filter((card) => !update.cards.includes(card)), scores: update.scores };
    case "hidden":
      return {
        ...view,
        cards: withFaces(view.cards, update.cards, null),
        open: view.open.filter((card) => !update.cards.includes(card)),
      };
    case "turn":
      return { ...view, turn: update.player, deadline_ms: update.deadline_ms };
    case "paused":
      return { ...view, phase: "paused", deadline_ms: update.deadline_ms };
    case "resumed":
      return { ...view, phase: "playing" };
    case "over":
      return { ...view, phase: "over", scores: update.scores, winners: update.winners, turn: null, deadline_ms: null };
    default:
      return view;
  }
}

/** Describes an update in words, for the log and for screen readers; null for an unknown kind. */
export function describe(update) {
  switch (update.kind) {
    case "waiting":
      return `Waiting for players: ${update.players.join(", ")}`;
    case "started":
      return `The game starts: ${update.players.join(", ")}`;
    case "flipped":
      return `${update.by} opens card ${update.card + 1}: ${update.face}`;
    case "matched":
      return `${update.by} has a pair: cards ${update.cards.map((card) => card + 1).join(" and ")}`;
    case "hidden":
      return `Cards ${update.cards.map((card) => card + 1).join(" and ")} are hidden again`;
    case "turn":
      return `${update.player}'s turn`;
    case "paused":
      return "Paused: a player is away";
    case "resumed":
      return "The game continues";
    case "replaced":
      return `${update.by} plays for ${update.player}`;
    case "over":
      if (!update.winners.length) return "The game is over: nobody wins";
      return `The game is over: ${update.winners.join(" and ")} ${update.winners.length === 1 ? "wins" : "win"}`;
    default:
      return null;
  }
}

function zeros(players) {
  return Object.fromEntries(players.map((player) => [player, 0]));
}

function withFaces(cards, indexes, face) {
  return cards.map((old, index) => (indexes.includes(index) ? face : old));
}
