// A room: its game, the people in it, and what can be seen and done about the connection.

import type { GrandstandError } from "@grandstand/client";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { adminOrigin, enter, identity, knownGames, pageUrl, shareLink, toLobby } from "../app";
import { AnyGame } from "../games/any";
import { Arena } from "../games/arena";
import { gamesToShow } from "../games/kinds";
import { MemoryGame } from "../games/memory-view";
import { Relay } from "../games/relay";
import { Lab } from "../lab/lab";
import { ms } from "../lib/format";
import type { Visit } from "../lib/links";
import { useStore, useTick } from "../lib/store";
import { errorWords, isAboutToken, isWorthRetrying, leftWords, noticeWords } from "../lib/words";
import { Session } from "../session";
import { GameList, open } from "./game-list";
import { CopyButton, focusTitle, Icon, Logo, Notice, useFocusHandover } from "./parts";
import { TokenHelp } from "./token-help";

export function RoomPage({ visit }: { visit: Visit }) {
  const [attempt, setAttempt] = useState(0);
  const who = useStore(identity);
  const session = useMemo(() => new Session(pageUrl(), who, visit), [visit, attempt, who]);
  const first = useRef(session);
  useEffect(() => {
    if (session !== first.current) focusTitle(); // what had the focus is gone
    return () => session.end();
  }, [session]);
  return <RoomView key={session.id} session={session} again={() => setAttempt(attempt + 1)} />;
}

function RoomView({ session, again }: { session: Session; again: () => void }) {
  const stay = useStore(session.stay);
  const { error } = useStore(session.status);
  const role = stay.at === "inside" ? stay.role : null;
  const isIn = stay.at === "inside" || stay.at === "out";
  const isAlone = stay.at === "refused" || (stay.at === "door" && error !== undefined);
  return (
    <div class="page room">
      <header class="top">
        <button type="button" id="leave" class="button quiet to-lobby" onClick={toLobby}>
          <Icon name="back" />
          <span>Lobby</span>
        </button>
        <Logo />
        <div class="room-title">
          <h1 tabIndex={-1}>{session.visit.room}</h1>
          {role && <span class={`chip ${role}`}>{role === "player" ? `playing as ${session.user}` : "watching"}</span>}
        </div>
        <Connection session={session} />
      </header>
      <main class={isAlone ? "room-grid single" : "room-grid"}>
        <section class="stage" aria-label="Game">
          <Trouble session={session} />
          <Stage session={session} again={again} />
        </section>
        {isIn && <Lab session={session} admin={adminOrigin()} />}
      </main>
    </div>
  );
}

function Connection({ session }: { session: Session }) {
  const { state } = useStore(session.status);
  const rtt = useStore(session.rtt);
  const words = {
    connecting: "connecting",
    connected: "connected",
    reconnecting: "reconnecting",
    degraded: "degraded",
    closed: "closed",
  }[state];
  return (
    <p id="connection" class="pill" data-state={state}>
      <span role="status" class="word">
        {words}
      </span>
      {state === "connected" && rtt !== null && <span class="figure"> {ms(rtt)}</span>}
    </p>
  );
}

/** What is wrong with the connection while the room is shown. */
function Trouble({ session }: { session: Session }) {
  const status = useStore(session.status);
  const stay = useStore(session.stay);
  const since = useMemo(() => Date.now(), [status]);
  const { state, error, retryInMs } = status;
  useTick(500, state === "reconnecting");
  if (stay.at !== "inside") return null;
  if (state === "closed" && error) {
    const isToken = isAboutToken(error);
    return (
      <Notice {...errorWords(error)} tone="bad" more={isToken && <TokenHelp />}>
        {!isToken && (
          <button type="button" class="button main" onClick={() => session.client.reconnect()}>
            {error.code === "replaced" ? "Play here" : "Connect again"}
          </button>
        )}
        <ToLobby />
      </Notice>
    );
  }
  if (state === "degraded") {
    return (
      <p class="bar" role="status">
        {noticeWords("degraded")}. They are sent as soon as the servers are back.
      </p>
    );
  }
  if (state !== "reconnecting" && state !== "connecting") return null;
  const seconds = retryInMs === undefined ? 0 : Math.ceil((since + retryInMs - Date.now()) / 1000);
  return <Reconnecting session={session} error={error} seconds={seconds} />;
}

function Reconnecting({
  session,
  error,
  seconds,
}: {
  session: Session;
  error: GrandstandError | undefined;
  seconds: number;
}) {
  const element = useFocusHandover<HTMLDivElement>();
  const words = error && error.code !== "lost" ? errorWords(error) : null;
  return (
    <div class="bar" id="reconnecting" role="status" ref={element}>
      <span class="pulse" aria-hidden="true" />
      <span>
        <strong>{words?.title ?? "The connection was lost"}.</strong>{" "}
        {words?.text ?? "Nothing is lost: what you do now is sent as soon as it is back."}
      </span>
      <button type="button" class="button" onClick={() => session.client.reconnect()}>
        Try now{seconds > 0 && <span aria-hidden="true"> ({seconds} s)</span>}
      </button>
    </div>
  );
}

function Stage({ session, again }: { session: Session; again: () => void }) {
  const stay = useStore(session.stay);
  const { view } = useStore(session.room);
  if (stay.at === "door") return <Door session={session} />;
  if (stay.at === "refused") return <Refused session={session} error={stay.error} again={again} />;
  const isOut = stay.at === "out";
  return (
    <>
      {isOut && !(stay.error.code === "finished" && view !== undefined) && (
        <Notice
          {...leftWords(stay.error)}
          tone={stay.error.code === "finished" ? "plain" : "bad"}
          more={isAboutToken(stay.error) && <TokenHelp />}
        >
          {isWorthRetrying(stay.error) && (
            <button type="button" class="button main" onClick={again}>
              {stay.error.code === "replaced" ? "Play here" : "Enter again"}
            </button>
          )}
          {stay.error.code === "finished" && <NewRoom game={session.game} />}
          <ToLobby />
        </Notice>
      )}
      {view === undefined ? <Unopened session={session} /> : <Game session={session} />}
    </>
  );
}

function Game({ session }: { session: Session }) {
  switch (session.game) {
    case "memory":
      return <MemoryGame session={session} />;
    case "relay":
      return <Relay session={session} />;
    case "arena":
      return <Arena session={session} />;
    default:
      return <AnyGame session={session} />;
  }
}

function Door({ session }: { session: Session }) {
  const { state, error } = useStore(session.status);
  if (error && state !== "connected") {
    const isToken = isAboutToken(error);
    return (
      <Notice {...errorWords(error)} tone="bad" more={isToken && <TokenHelp />}>
        {!isToken && (
          <button type="button" class="button main" onClick={() => session.client.reconnect()}>
            Try now
          </button>
        )}
        <ToLobby />
      </Notice>
    );
  }
  return (
    <p class="door" role="status">
      <span class="pulse" aria-hidden="true" />
      {state === "connected" ? `Entering ${session.visit.room}…` : "Connecting…"}
    </p>
  );
}

function Refused({ session, error, again }: { session: Session; error: GrandstandError; again: () => void }) {
  const { visit, game } = session;
  const { code } = error;
  const isTaken = code === "room_full" || code === "forbidden";
  const isGone = ["room_full", "finished", "bad_params", "no_such_room", "room_too_big"].includes(code);
  const games = code === "no_such_game" ? gamesToShow(knownGames(), []).filter((other) => other !== game) : [];
  const more = isAboutToken(error) ? <TokenHelp /> : games.length > 0 && <GameList games={games} />;
  return (
    <Notice {...errorWords(error)} tone="bad" more={more}>
      {isTaken && visit.role === "player" && (
        <button
          type="button"
          class="button main"
          onClick={() => enter({ ...visit, role: "spectator", invitation: undefined })}
        >
          Watch this room
        </button>
      )}
      {isGone && <NewRoom game={game} />}
      {isWorthRetrying(error) && (
        <button type="button" class="button main" onClick={again}>
          Try again
        </button>
      )}
      <ToLobby />
    </Notice>
  );
}

function NewRoom({ game }: { game: string }) {
  return (
    <button type="button" class="button" onClick={() => open(game)}>
      Open a new room
    </button>
  );
}

function ToLobby() {
  return (
    <button type="button" class="button" onClick={toLobby}>
      Back to the lobby
    </button>
  );
}

function Unopened({ session }: { session: Session }) {
  return (
    <section class="notice plain" aria-label="Waiting">
      <h2>Nobody has opened this room yet</h2>
      <p>It shows up here as soon as its first player enters.</p>
      <div class="actions">
        <CopyButton kind="main" text={shareLink({ ...session.visit, role: "player" })}>
          Copy an invitation to play
        </CopyButton>
      </div>
    </section>
  );
}
