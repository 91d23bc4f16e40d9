// Creates or joins a room by its name.

import { useState } from "preact/hooks";
import { enter, randomSuffix } from "../app";
import { kindOf } from "../games/kinds";
import { gameOf, isRoomName, type Role } from "../lib/links";

const SIZES = ["2x2", "4x4", "4x6", "6x6"];
/** The default comes first: it needs no parameter. */
const TURNS = { 20000: "20 seconds", 60000: "1 minute", 600000: "10 minutes" };

export function RoomForm({ games }: { games: readonly string[] }) {
  const first = games.includes("memory") ? "memory" : (games[0] ?? "memory");
  const [room, setRoom] = useState(`${first}-1`);
  const [role, setRole] = useState<Role>("player");
  const [size, setSize] = useState("4x4");
  const [players, setPlayers] = useState(2);
  const [turn, setTurn] = useState("20000");
  const [problem, setProblem] = useState("");
  const game = gameOf(room);
  const submit = (event: Event) => {
    event.preventDefault();
    if (!isRoomName(room)) {
      setProblem("A name has up to 64 letters, digits, “_” and “-”, for example memory-1.");
      return;
    }
    const [rows, cols] = size.split("x").map(Number);
    const more = turn === "20000" ? {} : { turn_ms: Number(turn) };
    const params = game === "memory" ? { rows, cols, players, ...more } : undefined;
    enter({ room, role, params: role === "player" ? params : undefined });
  };
  return (
    <section class="by-name" aria-labelledby="by-name-title">
      <div class="heading">
        <h2 id="by-name-title">By name</h2>
      </div>
      <form id="join" class="card" onSubmit={submit} noValidate>
        <div class="two">
          <label class="field">
            <span>Game</span>
            <select
              name="game"
              value={games.includes(game) ? game : ""}
              onChange={(event) => {
                const chosen = event.currentTarget.value;
                if (chosen)
                  setRoom(room.includes("-") ? room.replace(/^[^-]*/, chosen) : `${chosen}-${randomSuffix()}`);
              }}
            >
              {!games.includes(game) && <option value="">another</option>}
              {games.map((name) => (
                <option key={name} value={name}>
                  {kindOf(name).title}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            <span>Room</span>
            <input
              name="room"
              value={room}
              maxLength={64}
              autocapitalize="off"
              autocomplete="off"
              spellcheck={false}
              aria-invalid={problem !== ""}
              aria-describedby={problem ? "room-problem" : undefined}
              onInput={(event) => {
                setRoom(event.currentTarget.value.trim());
                setProblem("");
              }}
            />
          </label>
        </div>
        <fieldset class="choice">
          <legend class="unseen">Role</legend>
          {(["player", "spectator"] as const).map((each) => (
            <label key={each}>
              <input type="radio" name="role" value={each} checked={role === each} onChange={() => setRole(each)} />
              <span>{each === "player" ? "Play" : "Watch"}</span>
            </label>
          ))}
        </fieldset>
        {game === "memory" && role === "player" && (
          <details id="params">
            <summary>Options for a new room</summary>
            <div class="two">
              <label class="field">
                <span>Board</span>
                <select name="size" value={size} onChange={(event) => setSize(event.currentTarget.value)}>
                  {SIZES.map((each) => (
                    <option key={each} value={each}>
                      {each.replace("x", " × ")}
                    </option>
                  ))}
                </select>
              </label>
              <label class="field">
                <span>Players</span>
                <select
                  name="players"
                  value={players}
                  onChange={(event) => setPlayers(Number(event.currentTarget.value))}
                >
                  {[2, 3, 4].map((each) => (
                    <option key={each}>{each}</option>
                  ))}
                </select>
              </label>
              <label class="field">
                <span>Time for a turn</span>
                <select name="turn" value={turn} onChange={(event) => setTurn(event.currentTarget.value)}>
                  {Object.entries(TURNS).map(([ms, words]) => (
                    <option key={ms} value={ms}>
                      {words}
                    </option>
                  ))}
                </select>
              </label>
            </div>
          </details>
        )}
        <p id="room-problem" class="problem" role="alert">
          {problem}
        </p>
        <button type="submit" class="button main wide">
          {role === "player" ? "Enter" : "Watch"}
        </button>
        <p class="hint">Enters the room, or opens it if there is none of this name.</p>
      </form>
    </section>
  );
}
