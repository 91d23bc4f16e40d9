// Why a server cannot be reached. Browsers do not tell a page why a WebSocket failed, so one plain request is made.

const TIMEOUT_MS = 5_000;

/** What a plain request found out. */
export interface Diagnosis {
  readonly message: string;
  readonly diagnosis: string;
  readonly hint: string;
  readonly httpStatus?: number | undefined;
}

/** Looks at the answer to a plain request, and says more than a failed WebSocket does; `null` if there is nothing to say. */
export async function diagnose(webSocket: URL): Promise<Diagnosis | null> {
  if (globalThis.navigator?.onLine === false) return unreachable("this device is offline", "offline");
  if (typeof fetch !== "function") return null;
  const url = webSocket.origin.replace(/^ws/, "http") + webSocket.pathname;
  const options = { redirect: "manual", cache: "no-store", credentials: "omit" } as const;
  const ask = (mode: RequestMode) => fetch(url, { ...options, mode, signal: AbortSignal.timeout(TIMEOUT_MS) });
  try {
    const response = await ask("cors");
    const { status } = response;
    const isHtml = /html/i.test(response.headers.get("content-type") ?? "");
    void response.body?.cancel().catch(() => {});
    // Browsers hide the status of a redirect: it is 0.
    if (status < 200 || (status < 400 && (status >= 300 || isHtml))) {
      return unreachable(
        "another page answers in place of the server, as networks do that want a login",
        "captive_portal",
      );
    }
    if (isHtml)
      return unreachable(`a proxy answers with ${status} and HTML in place of the server`, "bad_response", status);
    if (status === 426) return null; // a server that wants a WebSocket
    return unreachable(`the server answers with ${status}`, "bad_response", status);
  } catch {
    // Nothing answers, or nothing that this page may read.
  }
  try {
    await ask("no-cors");
    return unreachable("an HTTP server answers at this address, but takes no WebSocket from this page", "bad_response");
  } catch {
    return null;
  }
}

const HINTS: Record<string, string> = {
  bad_response: "check the URL, and the proxy before the server",
  captive_portal: "log in to this network",
  offline: "check the network",
};

function unreachable(message: string, diagnosis: string, httpStatus?: number): Diagnosis {
  return { message, diagnosis, hint: HINTS[diagnosis] ?? "", httpStatus };
}
