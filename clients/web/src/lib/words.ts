// Words for people: what is wrong, and what to do about it.

import { AuthError, ConnectError, type GrandstandError, InputError, JoinError } from "@grandstand/client";

/** What a person is told. `tries`: the client tries again by itself. */
export interface Words {
  readonly title: string;
  readonly text: string;
}

const CONNECT: Record<string, Words> = {
  replaced: {
    title: "You are playing somewhere else",
    text: "Another tab or device joined as the same player, and took over. Play here to take over again.",
  },
  lost: {
    title: "The connection was lost",
    text: "The page connects again by itself. What you did meanwhile is kept.",
  },
  timeout: { title: "The server does not answer", text: "Check whether it is busy, and the network between." },
  unsupported_protocol: {
    title: "This page and the server do not fit",
    text: "The server speaks another version of the protocol. Reload the page to get the one that fits.",
  },
  bad_message: {
    title: "The server sent something unreadable",
    text: "Something between changes the messages, or this is another server. Check the address.",
  },
  overloaded: { title: "The server is full", text: "It is short of memory. The page tries again later." },
  rate_limited: {
    title: "Too many messages",
    text: "This page sent more than the server allows. It tries again later.",
  },
  going_away: { title: "The server restarts", text: "The page connects again by itself as soon as it is back." },
  internal: { title: "The server failed", text: "The page connects again by itself. The server's log has the reason." },
  no_websocket: { title: "This browser is too old", text: "It has no WebSockets. Use a current one." },
  bad_url: { title: "The address makes no sense", text: "Check the address of this page." },
  no_room: { title: "You were in no room for a while", text: "So the server closed the connection. Connect to go on." },
  protocol_error: {
    title: "This page made a mistake",
    text: "The server refused a message of this page. Reload it; if it happens again, please report it.",
  },
};

const DIAGNOSES: Record<string, Words> = {
  offline: {
    title: "You are offline",
    text: "Check the network of this device. The page connects as soon as it is back.",
  },
  captive_portal: {
    title: "This network wants a login",
    text: "Another page answers in place of the server. Open any website, log in to the network, and come back.",
  },
  bad_response: {
    title: "Something else answers",
    text: "A proxy or another server answers at this address. Check the address, and whether the proxy passes WebSockets on.",
  },
};

const AUTH: Record<string, Words> = {
  forbidden: { title: "The token does not allow this", text: "Ask for a link whose token allows this room." },
  revoked: { title: "The token was revoked", text: "Someone ended this access. Ask for a new link." },
  token_failed: { title: "There is no token", text: "The page could not get one. Open it with a new link." },
};

const JOIN: Record<string, Words> = {
  room_full: {
    title: "This room is full",
    text: "Nobody else can play in it. You can watch it, or open a room of your own.",
  },
  room_too_big: { title: "This room is too big", text: "It has outgrown the limits of the server. Open another room." },
  room_unavailable: {
    title: "This room is not available now",
    text: "It comes back by itself. Try again in a moment.",
  },
  no_such_game: {
    title: "There is no such game",
    text: "The part of the name before the first “-” names the game. Open a room of one of these games:",
  },
  no_such_room: { title: "There is no such room", text: "It may have ended. Choose another one." },
  bad_room: { title: "This is no name for a room", text: "Use up to 64 letters, digits, “_” and “-”." },
  bad_params: { title: "These options do not work", text: "The game refuses to open such a room." },
  forbidden: { title: "You may not enter this room", text: "Ask for a link whose token allows it, or watch it." },
  revoked: { title: "You may not enter this room any more", text: "The token was revoked. Ask for a new link." },
  finished: { title: "This game is over", text: "The room has ended. Open another one." },
  replaced: CONNECT.replaced!,
  kicked: { title: "You were taken out of the room", text: "The game, or someone who runs the server, took you out." },
  timeout: { title: "The room does not answer", text: "The server did not let you in within 30 seconds. Try again." },
  rate_limited: { title: "Too many joins", text: "Wait a few seconds, then try again." },
  busy: { title: "The server is busy", text: "Try again in a moment." },
  queue_full: { title: "Too many people are waiting", text: "The queue takes nobody else now. Try again in a moment." },
};

const INPUT: Record<string, string> = {
  not_your_turn: "It is not your turn.",
  not_started: "The game has not started: players are missing.",
  paused: "The game is paused until everybody is back.",
  two_open: "Two cards are open. Wait until they turn over.",
  card_open: "This card is open already.",
  bad_card: "There is no such card.",
  bad_input: "The game does not understand this input.",
  not_playing: "You do not play in this room.",
  finished: "The game is over.",
  replaced: "The computer plays for you now, because you were away for too long.",
  room_full: "The room is full.",
  no_inputs: "This game takes no inputs, only directions.",
  room_restarted: "The room was created again, so this was not done.",
  room_rolled_back: "The server went back to an older state, so this is lost. Please repeat it.",
  room_unavailable: "The room is not available now.",
  too_big: "This is too long.",
  bad_data: "This cannot be sent.",
  forbidden: "You only watch, so you cannot do this.",
  busy: "Too much is waiting for the server. Try again in a moment.",
  rate_limited: "That was too fast. Try again in a moment.",
  already_waiting: "You are waiting already.",
  queue_full: "Too many people are waiting. Try again in a moment.",
  left: "You left the room.",
  closed: "You left the room.",
};

/** Words for an input that was not applied. */
export function inputWords({ code, message }: { code: string; message: string }): string {
  return INPUT[code] ?? (message && message !== code ? `${message} (${code})` : `The game refused this: ${code}`);
}

/** The code and the message of an input that was not applied, as the game gives them: for games that this page does not know. */
export function inputReason({ code, message, rejected }: InputError): { readonly code: string; readonly text: string } {
  // The client says “refused” if the game gives a code alone.
  if (rejected) return { code, text: message === "refused" || message === code ? "The game says no more." : message };
  return { code, text: INPUT[code] ?? message };
}

/** Whether another token may help against an error. */
export function isAboutToken(error: GrandstandError): boolean {
  if (error instanceof AuthError) return !isAboutOrigin(error);
  return error instanceof JoinError && /^(forbidden|revoked)$/.test(error.code);
}

/** Whether to enter the same room again may help after an error. */
export function isWorthRetrying(error: GrandstandError): boolean {
  const isHopeless = /^(no_such_game|no_such_room|bad_room|room_too_big|room_full|finished|bad_params|moved)$/.test(
    error.code,
  );
  return !isHopeless && !isAboutToken(error);
}

function isAboutOrigin({ message }: AuthError): boolean {
  return message.includes("edge.origins");
}

/** Words for a token that the server refuses. `reason`: what it says. */
export function tokenWords(reason: string): Words {
  if (/token (has )?expired/.test(reason)) {
    return {
      title: "The token has expired",
      text: "Tokens are valid for a limited time. Give a newer one, or ask for a new link.",
    };
  }
  if (reason.startsWith("no token")) {
    return {
      title: "This server wants a token",
      text: "It lets nobody in without one. Give one, or ask for a new link.",
    };
  }
  return {
    title: "The token is not valid",
    text: `The server says: ${reason}. Give another one, or ask for a new link.`,
  };
}

/** The text of an error without its advice, which is for developers. */
export function messageOf({ message, hint }: GrandstandError): string {
  return hint && message.endsWith(`: ${hint}`) ? message.slice(0, -hint.length - 2) : message;
}

/** Words for an error of the connection, or of a join. */
export function errorWords(error: GrandstandError): Words {
  if (error instanceof InputError) return { title: "This was not done", text: inputWords(error) };
  if (error instanceof AuthError) {
    if (isAboutOrigin(error)) {
      return {
        title: "The server refuses this page",
        text: `Its setting edge.origins does not name ${location.origin}. Add it there, or open the page from a site that is named.`,
      };
    }
    if (error.code === "unauthenticated") return tokenWords(messageOf(error));
    return AUTH[error.code] ?? { title: "You may not do this", text: error.message };
  }
  if (error instanceof ConnectError) {
    const found = error.diagnosis === undefined ? undefined : DIAGNOSES[error.diagnosis];
    if (found) return error.httpStatus ? { ...found, text: `${found.text} It said ${error.httpStatus}.` } : found;
    if (error.code === "unreachable") {
      return {
        title: "The server is not there",
        text: `Nothing answers at ${location.host}. Start it with “grandstand dev”, or check the network. The page keeps trying.`,
      };
    }
    return CONNECT[error.code] ?? { title: "There is no connection", text: error.message };
  }
  const words = JOIN[error.code];
  if (!words) return { title: "You cannot enter this room", text: `${error.message} (${error.code})` };
  // A game describes its own options better than this page can.
  return error.code === "bad_params" ? { ...words, text: `${error.message}.` } : words;
}

const LEFT: Record<string, Words> = {
  ...JOIN,
  finished: { title: "This room has ended", text: "The game is over, and the room is closed." },
  moved: { title: "You were sent to another room", text: "The game goes on there." },
};

/** Words for the end of a stay. */
export function leftWords(error: GrandstandError): Words {
  if (error instanceof AuthError || error instanceof ConnectError) return errorWords(error);
  return LEFT[error.code] ?? { title: "You are out of the room", text: `The server says: ${error.code}.` };
}

const NOTICES: Record<string, string> = {
  draining: "The server is being replaced: moving to the next one",
  degraded: "The servers behind are away: inputs wait",
  token_expiring: "The token expires within a minute",
  token_renewed: "The token was replaced",
};

/** Words for a notice. */
export function noticeWords(code: string): string {
  return NOTICES[code] ?? `Notice: ${code}`;
}
