// Whether the server lets people in without a token.

import { connect } from "@grandstand/client";

const TIMEOUT_MS = 8_000;

/** Asks by connecting at an address without a token. Never rejects. */
export function admitsGuests(address: URL): { answer: Promise<boolean>; stop: () => void } {
  const client = connect({ url: address, diagnose: false });
  const answer = new Promise<boolean>((done) => {
    const timer = setTimeout(() => client.close(), TIMEOUT_MS);
    client.on("status", ({ state }) => {
      if (state === "connecting") return;
      clearTimeout(timer);
      done(state === "connected");
      if (state !== "closed") void client.close();
    });
  });
  return { answer, stop: () => void client.close() };
}
