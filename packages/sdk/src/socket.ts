/** The part of the WebSocket interface that is used here: a browser's, Node's own and the `ws` package's all have it. */
export interface SocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Stops reading from the network, where the implementation can (`ws`); a browser's cannot. */
  pause?(): void;
  resume?(): void;
}

/** Opens a WebSocket with a subprotocol and headers. Browsers ignore the headers: they send their cookie. */
export type OpenSocket = (
  url: string,
  options: { readonly protocol: string; readonly headers: Readonly<Record<string, string>> },
) => SocketLike;

/** `readyState` of an open socket (WHATWG WebSockets, 3.1). */
export const SOCKET_OPEN = 1;

/**
 * The global WebSocket. Node's takes an options object with headers in place of the subprotocols (undici); a browser
 * would reject it, so it is used only where there are headers to send.
 */
export const openGlobalSocket: OpenSocket = (url, { protocol, headers }) => {
  const Socket = globalThis.WebSocket as unknown as new (url: string, options: unknown) => SocketLike;
  return new Socket(url, Object.keys(headers).length > 0 ? { protocols: [protocol], headers } : protocol);
};

export interface SocketEvents {
  opened(): void;
  message(data: ArrayBuffer): void;
  textMessage(text: string): void;
  closed(code: number, reason: string): void;
}

/** Connects the four callbacks of a socket; returns a function that disconnects them and lets it go. */
export function listen(socket: SocketLike, events: SocketEvents): () => void {
  socket.binaryType = "arraybuffer";
  socket.onopen = () => events.opened();
  socket.onmessage = (event: { data: unknown }) => {
    if (event.data instanceof ArrayBuffer) events.message(event.data);
    else events.textMessage(String(event.data));
  };
  socket.onclose = (event: { code: number; reason: string }) => events.closed(event.code, event.reason);
  // Every error is followed by a close event, which is acted upon; `ws` would throw without a listener.
  socket.onerror = () => {};
  return () => {
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
  };
}
