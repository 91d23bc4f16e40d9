// The lobby: who you are, whom you play, and the rooms of the server.

import { useEffect, useMemo, useState } from "preact/hooks";
import { enter, identity, knownGames, pageUrl, rename } from "../app";
import { gamesToShow, kindOf } from "../games/kinds";
import { count } from "../lib/format";
import { gameOf } from "../lib/links";
import { fetchRooms, type ListedRoom, type LobbyAnswer, seatsText, sortRooms } from "../lib/lobby";
import { useStore, useTick } from "../lib/store";
import { tokenWords } from "../lib/words";
import { Search } from "../queue";
import { GameList, open } from "./game-list";
import { Icon, Logo, Notice } from "./parts";
import { RoomForm } from "./room-form";
import { TokenHelp } from "./token-help";

const LIST_MS = 2_000;

export function Lobby() {
  const search = useMemo(() => new Search(), []);
  const state = useStore(search.state);
  useEffect(() => () => search.stop(), [search]);
  useEffect(() => {
    if (state.state === "found") enter(state.visit);
  }, [state]);
  const answer = useRooms();
  const rooms = answer.state === "listed" ? answer.rooms : [];
  const refusal = answer.state === "failed" ? answer.refusal : undefined;
  const told = useMemo(knownGames, []);
  const games = gamesToShow(
    told,
    rooms.map(({ room }) => gameOf(room)),
  );
  const hasQueue = told === null || told.includes("memory");
  return (
    <div class="page lobby">
      <header class="top">
        <p class="brand">
          <Logo /> Grandstand
        </p>
        <Name />
      </header>
      <main>
        {refusal !== undefined && <Notice {...tokenWords(refusal)} tone="bad" more={<TokenHelp />} />}
        <div class="hero">
          <div>
            <h1 tabIndex={-1}>Rooms that stay up.</h1>
            <p class="lead">Play, watch with hundreds, and pull the plug: the game goes on, and nothing is lost.</p>
          </div>
          {hasQueue && <Opponent search={search} hasHelp={refusal !== undefined} />}
        </div>
        <section aria-labelledby="games-title">
          <h2 id="games-title">Open a new room</h2>
          <GameList games={games} />
        </section>
        <div class="columns">
          <Rooms answer={answer} />
          <RoomForm games={games} />
        </div>
      </main>
    </div>
  );
}

function Name() {
  const { user, token } = useStore(identity);
  return (
    <label class="name">
      <span>Your name</span>
      <input
        name="user"
        value={user}
        maxLength={64}
        required
        readOnly={token !== null}
        autocomplete="nickname"
        spellcheck={false}
        onChange={(event) => {
          const name = event.currentTarget.value.trim();
          if (name) rename(name);
          else event.currentTarget.value = user;
        }}
      />
    </label>
  );
}

/** `hasHelp`: the page offers another token already. */
function Opponent({ search, hasHelp }: { search: Search; hasHelp: boolean }) {
  const state = useStore(search.state);
  useTick(1_000, state.state === "waiting");
  const computer = () => {
    search.stop();
    open("memory", { bots: 1 });
  };
  if (state.state === "waiting") {
    const seconds = Math.floor((Date.now() - state.since) / 1000);
    return (
      <section class="opponent" aria-label="Find an opponent">
        <p class="searching" role="status">
          <span class="pulse" aria-hidden="true" />
          Looking for an opponent…
        </p>
        <p class="hint">
          {state.trouble ??
            (state.others ? `${count(state.others, "other player")} waiting` : "Nobody else is waiting yet")}
          {" · "}
          <span class="figure">{seconds} s</span>
        </p>
        <div class="actions">
          <button type="button" class="button" onClick={() => search.stop()}>
            Stop looking
          </button>
          <button type="button" class="button quiet" onClick={computer}>
            Play the computer
          </button>
        </div>
      </section>
    );
  }
  return (
    <section class="opponent" aria-label="Find an opponent">
      {state.state === "failed" && (
        <Notice
          title={state.title}
          text={state.text}
          tone="bad"
          more={state.isAboutToken && !hasHelp && <TokenHelp />}
        />
      )}
      <div class="actions">
        <button type="button" class="button main big" onClick={() => search.start(pageUrl(), identity.value)}>
          Find me an opponent
        </button>
        <button type="button" class="button big" onClick={computer}>
          Play the computer
        </button>
      </div>
      <p class="hint">Both start a game of Memory.</p>
    </section>
  );
}

/** Asks for the rooms again and again while the page is seen. */
function useRooms(): LobbyAnswer {
  const who = useStore(identity);
  const [answer, setAnswer] = useState<LobbyAnswer>({ state: "loading" });
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      if (!document.hidden) {
        const next = await fetchRooms(pageUrl(), who);
        if (!isOver) setAnswer(next);
      }
      if (!isOver) timer = setTimeout(ask, LIST_MS);
    };
    const look = () => {
      if (document.hidden) return;
      clearTimeout(timer);
      void ask();
    };
    void ask();
    document.addEventListener("visibilitychange", look);
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [who]);
  return answer;
}

function Rooms({ answer }: { answer: LobbyAnswer }) {
  const [game, setGame] = useState("");
  const all = answer.state === "listed" ? sortRooms(answer.rooms) : [];
  const games = [...new Set(all.map(({ room }) => gameOf(room)))].sort();
  const shown = all.filter(({ room }) => !game || gameOf(room) === game);
  return (
    <section class="rooms" aria-labelledby="rooms-title">
      <div class="heading">
        <h2 id="rooms-title">Rooms on this server</h2>
        {games.length > 1 && (
          <label class="small">
            <span class="unseen">Game</span>
            <select value={game} onChange={(event) => setGame(event.currentTarget.value)}>
              <option value="">All games</option>
              {games.map((name) => (
                <option key={name} value={name}>
                  {kindOf(name).title}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {answer.state === "failed" && (
        <p class="empty" role="status">
          {answer.why}
        </p>
      )}
      {answer.state === "loading" && <p class="empty">Asking the server…</p>}
      {answer.state === "listed" && shown.length === 0 && (
        <p class="empty">No room is open yet. Yours would be the first: it shows up here for everyone.</p>
      )}
      <ul class="list">
        {shown.map((room) => (
          <RoomRow key={room.room} room={room} />
        ))}
      </ul>
      {answer.state === "listed" && answer.isCut && <p class="hint">There are more rooms than fit here.</p>}
    </section>
  );
}

function RoomRow({ room }: { room: ListedRoom }) {
  const { room: name, open: isOpen, spectators, labels } = room;
  const kind = kindOf(gameOf(name));
  const more = Object.entries(labels).map(([label, value]) => `${label} ${value}`);
  return (
    <li class="row" data-room={name}>
      <span class={`picture ${kind.game}`}>{kind.picture}</span>
      <span class="about">
        <span class="room-name">{name}</span>
        <span class="hint">
          {[seatsText(room), ...more].join(" · ")}
          {spectators > 0 && (
            <span class="eyes">
              {" · "}
              <Icon name="eye" />
              <span class="unseen">watched by </span>
              {spectators}
            </span>
          )}
        </span>
      </span>
      <span class="row-actions">
        {isOpen && (
          <button type="button" class="button main" onClick={() => enter({ room: name, role: "player" })}>
            Join<span class="unseen"> {name}</span>
          </button>
        )}
        <button type="button" class="button" onClick={() => enter({ room: name, role: "spectator" })}>
          Watch<span class="unseen"> {name}</span>
        </button>
      </span>
    </li>
  );
}
