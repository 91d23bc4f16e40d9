// Pull the plug: four ways to break the server, and what the game made of it.

import { useState } from "preact/hooks";
import type { Plug } from "../lib/admin";
import { count, ms } from "../lib/format";
import { useStore } from "../lib/store";
import type { Session } from "../session";
import type { Pull, Pulls } from "./pulls";

const PLUGS: readonly { plug: Plug; title: string; text: string }[] = [
  { plug: "worker", title: "Kill the worker", text: "The rules stop at once. Another takes its rooms over." },
  { plug: "edge", title: "Cut the edge", text: "All connections and the port close. It starts again." },
  { plug: "drain", title: "Drain the edge", text: "As a deploy does: its clients are told to move." },
  { plug: "bus", title: "Restart the bus", text: "What connects edge and worker goes, and comes back." },
];

// What is sent meanwhile: an input that changes nothing in the game, and is answered all the same.
const PROBES: Record<string, { input: unknown; text: string }> = {
  memory: { input: { op: "flip", card: 9_999 }, text: "a card that does not exist, which the game refuses" },
  relay: { input: { op: "put", key: "probe", value: 1 }, text: "a value that nobody sees" },
  arena: { input: { op: "probe" }, text: "an input, which the game refuses" },
};

export function PlugPanel({ pulls, session }: { pulls: Pulls; session: Session }) {
  const isBusy = useStore(pulls.isBusy);
  const all = useStore(pulls.all);
  useStore(session.stay);
  const probe = PROBES[session.game];
  const [isProbing, setProbing] = useState(probe !== undefined);
  const [own, setOwn] = useState("");
  const isPlayer = session.player !== null;
  const input = () => {
    if (!isPlayer || !isProbing) return undefined;
    if (probe) return probe.input;
    try {
      return JSON.parse(own);
    } catch {
      return undefined;
    }
  };
  return (
    <div id="plug">
      <h2>Pull the plug</h2>
      <p class="hint">Break the server under the running game. It goes on, and no input is lost.</p>
      <div class="plugs">
        {PLUGS.map(({ plug, title, text }) => (
          <button
            key={plug}
            type="button"
            class="plug"
            data-plug={plug}
            aria-disabled={isBusy}
            onClick={() => isBusy || void pulls.pull(plug, input())}
          >
            <span class="title">{title}</span>
            <span class="text">{text}</span>
          </button>
        ))}
      </div>
      {isPlayer ? (
        <label class="check">
          <input type="checkbox" checked={isProbing} onChange={(event) => setProbing(event.currentTarget.checked)} />
          <span>Send an input every 100 ms meanwhile{probe && <span class="hint">: {probe.text}</span>}</span>
        </label>
      ) : (
        <p class="hint">You are watching, so the page sends no inputs. It measures the pause between two updates.</p>
      )}
      {isPlayer && !probe && isProbing && (
        <label class="field">
          <span>The input, as JSON</span>
          <input
            class="code"
            value={own}
            placeholder="1"
            spellcheck={false}
            onInput={(event) => setOwn(event.currentTarget.value)}
          />
        </label>
      )}
      <ol class="pulls" aria-live="polite" aria-label="What came of it">
        {all.length === 0 && <li class="empty">Nothing is broken yet. Choose one above.</li>}
        {all.map((pull) => (
          <Result key={pull.id} pull={pull} />
        ))}
      </ol>
    </div>
  );
}

function Result({ pull }: { pull: Pull }) {
  const { plug, state, tookMs, pause, account, proof, noProof, problem } = pull;
  const title = PLUGS.find((each) => each.plug === plug)!.title;
  return (
    <li class={`pull ${state}`} data-pull={plug} data-state={state}>
      <div class="heading">
        <strong>{title}</strong>
        {state === "done" && pause && <span class="pause figure">{ms(pause.ms)} pause</span>}
        {state === "pulling" && <span class="hint">pulling…</span>}
        {state === "waiting" && <span class="hint">waiting for the game…</span>}
      </div>
      {problem && <p class="problem">{problem}</p>}
      {state === "done" && (
        <ul class="proofs">
          {pause ? (
            <li class="fact">
              From the last message before it to the first one after it
              {pause.usualMs !== null && `; usually up to ${ms(pause.usualMs)}`}
            </li>
          ) : (
            <li class="fact">Nothing came meanwhile, so there is no pause to measure.</li>
          )}
          {tookMs !== null && <li class="fact">The server was whole again after {ms(tookMs)}</li>}
          {account && account.inputs > 0 && (
            <Check isGood={account.open === 0 && account.failed === 0 && account.twice === 0 && account.isWhole}>
              {count(account.inputs, "input")}, each answered once
              {account.first !== null && ` (${account.first}–${account.last}, no gap)`}
              {account.resent > 0 && `; ${account.resent} sent again`}
            </Check>
          )}
          {noProof && <li class="fact">No history to compare with: {noProof}</li>}
          {proof && account && account.inputs > 0 && (
            <Check isGood={proof.missing.length === 0 && proof.repeated.length === 0}>
              {proof.missing.length || proof.repeated.length
                ? `The history lacks ${proof.missing.length} and repeats ${proof.repeated.length}`
                : "Each is in the room’s history exactly once"}
            </Check>
          )}
          {proof && proof.updates > 0 && (
            <Check isGood={proof.different === 0}>
              {proof.different === 0
                ? `${count(proof.updates, "update")} that you saw ${proof.updates === 1 ? "is" : "are"} in the history, word for word`
                : `The history has other words for ${proof.different} of ${count(proof.updates, "update")}`}
            </Check>
          )}
          {proof && proof.isEqual !== null && (
            <Check isGood={proof.isEqual}>
              {proof.isEqual
                ? "The room, made again from its history, is the one you see"
                : "The room, made again from its history, is another one"}
            </Check>
          )}
        </ul>
      )}
    </li>
  );
}

function Check({ isGood, children }: { isGood: boolean; children: preact.ComponentChildren }) {
  return (
    <li class={isGood ? "good" : "bad"} data-good={isGood}>
      <span class="unseen">{isGood ? "proved: " : "wrong: "}</span>
      {children}
    </li>
  );
}
