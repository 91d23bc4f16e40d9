// Draws a room of any game: its state, its updates, and a field for inputs. For games without a view of their own.

import { useState } from "preact/hooks";
import { clock } from "../lib/format";
import { useStore } from "../lib/store";
import { inputReason } from "../lib/words";
import type { Session } from "../session";
import { Json } from "../views/json";

export function AnyGame({ session }: { session: Session }) {
  const { view, version, updates, secret } = useStore(session.room);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<{ code?: string; text: string } | null>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch {
      setProblem({ text: 'This is not JSON. A number, "a text" in quotes, or {"an": "object"} is.' });
      return;
    }
    setProblem(null);
    const error = await session.act(data);
    if (error) setProblem(inputReason(error));
  };
  return (
    <div class="any">
      <section class="card" aria-labelledby="state-title">
        <div class="heading">
          <h2 id="state-title">State</h2>
          <span class="hint figure">version {version ?? "–"}</span>
        </div>
        <Json id="state" label="State" value={view} />
        {secret !== undefined && (
          <>
            <h3>Only you see</h3>
            <Json id="secret" label="Only you see" value={secret} />
          </>
        )}
      </section>
      {session.player !== null && (
        <form id="input" class="card" onSubmit={submit}>
          <label class="field">
            <span>Input, as JSON</span>
            <span class="copy">
              <input
                name="data"
                class="code"
                value={text}
                autocomplete="off"
                autocapitalize="off"
                spellcheck={false}
                placeholder='1, "text" or {"op": "move"}'
                onInput={(event) => setText(event.currentTarget.value)}
              />
              <button type="submit" class="button main">
                Send
              </button>
            </span>
          </label>
          <p id="input-problem" class="problem" role="alert">
            {problem?.code && <code>{problem.code}</code>} {problem?.text}
          </p>
        </form>
      )}
      <section class="card" aria-labelledby="updates-title">
        <h2 id="updates-title">Updates</h2>
        {updates.length === 0 && <p class="empty">Nothing has changed since you came.</p>}
        <ol id="updates" class="updates">
          {[...updates]
            .reverse()
            .slice(0, 50)
            .map((update) => (
              <li key={update.version}>
                <span class="hint figure">
                  {clock(update.at)} · {update.version}
                </span>{" "}
                <code>{JSON.stringify(update.data)}</code>
              </li>
            ))}
        </ol>
      </section>
    </div>
  );
}
