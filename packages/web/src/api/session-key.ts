import { SESSION_KEY_HEADER, SESSION_KEY_SUBPROTOCOL } from "@microterm/protocol";
import type { Fetch, OpenSocket, SocketLike } from "@microterm/sdk";
import { createKeptKey } from "./kept-key.ts";
import { shareHeaders, shareSubprotocols } from "./share-key.ts";

const NAME = "microterm.session-key";
const key = createKeptKey(NAME);

export const keepSessionKey = key.keep;

/** Another tab has signed in, or out: null. */
export const onOtherSessionKey = (listener: (key: string | null) => void): (() => void) => {
  const onStorage = (event: StorageEvent): void => {
    if (event.key === NAME) listener(event.newValue);
  };
  addEventListener("storage", onStorage);
  return () => removeEventListener("storage", onStorage);
};

export const sessionHeaders = (): Record<string, string> => {
  const known = key.read();
  return known === null ? {} : { [SESSION_KEY_HEADER]: known };
};

export const fetchWithKey: Fetch = (url, init) =>
  fetch(url, { ...init, headers: { ...init.headers, ...sessionHeaders(), ...shareHeaders() } } as RequestInit);

export const openSocketWithKey: OpenSocket = (url, { protocol }) => {
  const known = key.read();
  const protocols = [protocol, ...(known === null ? [] : [SESSION_KEY_SUBPROTOCOL + known]), ...shareSubprotocols()];
  return new WebSocket(url, protocols) as unknown as SocketLike;
};
