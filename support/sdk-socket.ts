import type { ClientOptions } from "@microterm/sdk";
import { WebSocket } from "ws";

/**
 * `openSocket` of an SDK client whose connections a test can cut: each is handed to `opened`. With `token`,
 * it is asked before each connection: a server has another one than the server before.
 */
export const openVia =
  (opened: (socket: WebSocket) => void, token?: () => string): NonNullable<ClientOptions["openSocket"]> =>
  (url, { protocol, headers }) => {
    const own = token === undefined ? {} : { authorization: `Bearer ${token()}` };
    const socket = new WebSocket(url, protocol, { headers: { ...headers, ...own }, perMessageDeflate: false });
    socket.binaryType = "arraybuffer";
    opened(socket);
    // biome-ignore lint/suspicious/noExplicitAny: ws has the members of the standard's WebSocket that the SDK uses.
    return socket as any;
  };

/** `fetch` of an SDK client that outlives a server: `token` is asked before each request. */
export const fetchWith =
  (token: () => string): NonNullable<ClientOptions["fetch"]> =>
  (address, init) =>
    // biome-ignore lint/suspicious/noExplicitAny: the SDK names of the standard's fetch what it uses.
    globalThis.fetch(address, { ...init, headers: { ...init?.headers, authorization: `Bearer ${token()}` } } as any);
