// JSON with colours.

import type { ComponentChildren } from "preact";

const TOKENS = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
const LONGEST = 20_000;

export function Json({ value, label, id }: { value: unknown; label: string; id?: string }) {
  const text = JSON.stringify(value, null, 2) ?? "nothing";
  return (
    <pre id={id} class="json" tabIndex={0} role="region" aria-label={label}>
      {coloured(text.length > LONGEST ? `${text.slice(0, LONGEST)}\n…` : text)}
    </pre>
  );
}

/** Colours the tokens of a JSON text. */
export function coloured(text: string): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let end = 0;
  for (const match of text.matchAll(TOKENS)) {
    parts.push(text.slice(end, match.index));
    const [whole, string, colon] = match;
    const kind = string ? (colon ? "key" : "string") : match[3] ? "word" : "number";
    parts.push(<span class={`j-${kind}`}>{string && colon ? string : whole}</span>);
    if (string && colon) parts.push(colon);
    end = match.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts;
}
