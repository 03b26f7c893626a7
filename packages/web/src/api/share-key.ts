import { SHARE_KEY_HEADER, SHARE_KEY_SUBPROTOCOL } from "@microterm/protocol";
import { createKeptKey } from "./kept-key.ts";

const key = createKeptKey("microterm.share-key");

/** Of a browser without an account, which was let in by a shared link. */
export const keepShareKey = key.keep;

export const shareHeaders = (): Record<string, string> => {
  const known = key.read();
  return known === null ? {} : { [SHARE_KEY_HEADER]: known };
};

/** Offered with a WebSocket, which has no headers of its own. */
export const shareSubprotocols = (): string[] => {
  const known = key.read();
  return known === null ? [] : [SHARE_KEY_SUBPROTOCOL + known];
};
