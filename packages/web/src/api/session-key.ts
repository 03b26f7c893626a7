import { SESSION_KEY_HEADER, SESSION_KEY_SUBPROTOCOL } from "@microterm/protocol";
import type { Fetch, OpenSocket, SocketLike } from "@microterm/sdk";

const NAME = "microterm.session-key";
/** Where the browser keeps nothing for this page, or no more: for as long as the page is open. */
let held: string | null = null;

const read = (): string | null => {
  try {
    return held ?? localStorage.getItem(NAME);
  } catch {
    return held;
  }
};

/** Half of the session's secret: the cookie alone is sent to every port of this host. Null forgets it. */
export const keepSessionKey = (key: string | null): void => {
  held = null;
  try {
    if (key === null) localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, key);
  } catch {
    held = key;
  }
};

export const sessionHeaders = (): Record<string, string> => {
  const key = read();
  return key === null ? {} : { [SESSION_KEY_HEADER]: key };
};

export const fetchWithKey: Fetch = (url, init) =>
  fetch(url, { ...init, headers: { ...init.headers, ...sessionHeaders() } } as RequestInit);

export const openSocketWithKey: OpenSocket = (url, { protocol }) => {
  const key = read();
  const protocols = key === null ? [protocol] : [protocol, SESSION_KEY_SUBPROTOCOL + key];
  return new WebSocket(url, protocols) as unknown as SocketLike;
};
