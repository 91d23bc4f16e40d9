// The inputs of this page, and what became of each: the proof that nothing was lost and nothing came twice.

/** What became of an input. */
type Outcome = "open" | "acked" | "refused" | "failed";

interface Item {
  seq: number | null;
  outcome: Outcome;
  answers: number;
  sendings: number;
}

/** The sum of the inputs since a mark. */
export interface Account {
  readonly inputs: number;
  readonly acked: number;
  readonly refused: number;
  readonly failed: number;
  readonly open: number;
  /** How many were sent more than once, because a connection was lost before the answer. */
  readonly resent: number;
  /** How many promises were settled more than once. */
  readonly twice: number;
  /** The numbers, from the first to the last. */
  readonly first: number | null;
  readonly last: number | null;
  /** Whether the numbers follow each other without a gap and without a repeat. */
  readonly isWhole: boolean;
}

/** An entry of the room's history, as far as inputs are concerned. */
export interface HistoryInput {
  readonly player: string;
  readonly seq: number;
}

export class Ledger {
  readonly #items: Item[] = [];
  readonly #sendings = new Map<number, number>();

  /** The application sends an input. Returns what is called with its answer. */
  begin(): (outcome: Exclude<Outcome, "open">, seq: number | null) => void {
    const item: Item = { seq: null, outcome: "open", answers: 0, sendings: 0 };
    this.#items.push(item);
    return (outcome, seq) => {
      item.outcome = outcome;
      item.seq = seq;
      item.answers += 1;
    };
  }

  /** An input left on a connection. */
  passed(seq: number): void {
    this.#sendings.set(seq, (this.#sendings.get(seq) ?? 0) + 1);
  }

  /** The place from which an account counts. */
  mark(): number {
    return this.#items.length;
  }

  account(mark = 0): Account {
    const items = this.#items.slice(mark);
    const count = (outcome: Outcome) => items.filter((item) => item.outcome === outcome).length;
    const seqs = items.flatMap(({ seq, outcome }) => (seq === null || outcome === "failed" ? [] : [seq]));
    const [first = null] = seqs;
    return {
      inputs: items.length,
      acked: count("acked"),
      refused: count("refused"),
      failed: count("failed"),
      open: count("open"),
      resent: seqs.filter((seq) => (this.#sendings.get(seq) ?? 0) > 1).length,
      twice: items.filter(({ answers }) => answers > 1).length,
      first,
      last: seqs.at(-1) ?? null,
      isWhole: seqs.every((seq, index) => seq === first! + index),
    };
  }
}

/** Compares the numbers of a player with a room's history: those that are missing, and those that are in it twice. */
export function compareHistory(
  account: Account,
  player: string,
  history: readonly HistoryInput[],
): { missing: number[]; repeated: number[] } {
  const missing: number[] = [];
  const repeated: number[] = [];
  if (account.first === null || account.last === null) return { missing, repeated };
  const counts = new Map<number, number>();
  for (const entry of history) if (entry.player === player) counts.set(entry.seq, (counts.get(entry.seq) ?? 0) + 1);
  for (let seq = account.first; seq <= account.last; seq++) {
    const count = counts.get(seq) ?? 0;
    if (count === 0) missing.push(seq);
    if (count > 1) repeated.push(seq);
  }
  return { missing, repeated };
}
