import { expect, test, vi } from "vitest";
import { webSocketDial } from "../src/websocket.js";
import { FakeSocket } from "./fake.js";

const target = { url: new URL("ws://test"), token: undefined, subprotocol: "p" };

test("a failure without a close, as in Node.js 22, is an end, and one with it is told once", async () => {
  FakeSocket.all = [];
  const closes: unknown[] = [];
  const dial = webSocketDial(FakeSocket as never);
  const events = { onFrame: vi.fn(), onClosed: (closed: unknown) => closes.push(closed) };
  for (const hasClose of [false, true]) {
    dial(target, events);
    const { last } = FakeSocket;
    (last.onerror as unknown as (event: object) => void)({ message: "refused" });
    if (hasClose) last.lose();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const end = { code: 1006, reason: "", opened: false, detail: "refused" };
  expect(closes).toEqual([end, end]);
});

test("after `close` nothing is told", async () => {
  const onClosed = vi.fn();
  const transport = webSocketDial(FakeSocket as never)(target, { onFrame: vi.fn(), onClosed });
  transport.close();
  FakeSocket.last.onerror?.();
  FakeSocket.last.lose();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(onClosed).not.toHaveBeenCalled();
});

test("a token that no subprotocol can have goes into the query", () => {
  webSocketDial(FakeSocket as never)({ ...target, token: "a b" }, { onFrame: vi.fn(), onClosed: vi.fn() });
  expect(FakeSocket.last.url).toBe("ws://test/?token=a+b");
  expect(FakeSocket.last.protocols).toEqual(["p"]);
});
