// What a person can do about a token that the server refuses: give another one, or go on without.

import { useEffect, useState } from "preact/hooks";
import { dropToken, identity, pageUrl, takeToken } from "../app";
import { admitsGuests } from "../lib/guests";
import { tokenIn } from "../lib/identity";
import { useStore } from "../lib/store";
import { addressFor } from "../session";

export function TokenHelp() {
  const { token, user } = useStore(identity);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const isGuestWelcome = useGuestWelcome();
  const submit = (event: Event) => {
    event.preventDefault();
    const found = tokenIn(text);
    if (found === null) setProblem("This is neither a token, three parts with dots between them, nor a link with one.");
    else if (found === token) setProblem("This is the token that the server refuses.");
    else takeToken(found);
  };
  return (
    <div class="token-help">
      <form onSubmit={submit} noValidate>
        <label class="field">
          <span>Another token, or a link with one</span>
          <span class="copy">
            <input
              name="token"
              class="code"
              value={text}
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              aria-invalid={problem !== ""}
              onInput={(event) => {
                setText(event.currentTarget.value);
                setProblem("");
              }}
            />
            <button type="submit" class="button main">
              Use it
            </button>
          </span>
        </label>
        <p class="problem" role="alert">
          {problem}
        </p>
      </form>
      {token !== null && isGuestWelcome && (
        <p class="guest">
          <span>This server also lets guests in.</span>
          <button type="button" class="button" onClick={dropToken}>
            Go on as a guest, {user}
          </button>
        </p>
      )}
    </div>
  );
}

/** Whether the server lets this person in without a token. */
function useGuestWelcome(): boolean {
  const { user, token } = useStore(identity);
  const [isWelcome, setWelcome] = useState(false);
  useEffect(() => {
    setWelcome(false);
    if (token === null) return;
    const { answer, stop } = admitsGuests(addressFor(pageUrl(), { user, token: null }));
    void answer.then(setWelcome);
    return stop;
  }, [user, token]);
  return isWelcome;
}
