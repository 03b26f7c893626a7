import type { ClientOptions } from "@microterm/sdk";
import { WebSocket } from "ws";

/** `openSocket` of an SDK client whose connections a test can cut: each is handed to `opened`. */
export const openVia =
  (opened: (socket: WebSocket) => void): NonNullable<ClientOptions["openSocket"]> =>
  (url, { protocol, headers }) => {
    const socket = new WebSocket(url, protocol, { headers, perMessageDeflate: false });
    socket.binaryType = "arraybuffer";
    opened(socket);
    // biome-ignore lint/suspicious/noExplicitAny: ws has the members of the standard's WebSocket that the SDK uses.
    return socket as any;
  };
