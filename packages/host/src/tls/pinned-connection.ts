import type { Socket } from "node:net";
import { connect, createSecureContext, type SecureContext } from "node:tls";
import { type Limits, withDeadline } from "../deadline.ts";
import { fingerprintOf, type KeyPair, toPem } from "./key-pair.ts";

export interface PinnedPeer {
  readonly address: string;
  readonly port: number;
  /** Its certificate's. No other is spoken to. */
  readonly fingerprint: string;
  /** What to reject with when another answers at `place`. */
  readonly stranger: (place: string) => Error;
}

const KEEP_ALIVE_MS = 10_000;
/** One of each identity: a connection with one of its own takes 30 KB more. */
const contexts = new WeakMap<KeyPair, SecureContext>();

/**
 * Connects by TLS 1.3 to who has the key of that certificate, and shows it ours. Rejects with the system's error, with `stranger` when
 * another answers, or the signal's reason. That the other side refuses us shows at the first byte that is read.
 */
export async function connectPinned(
  { address, port, fingerprint, stranger }: PinnedPeer,
  identity: KeyPair,
  limits: Limits,
): Promise<Socket> {
  const socket = connect({
    host: address,
    port,
    secureContext: contextOf(identity),
    // No authority signs it: the fingerprint is compared below, before a byte is sent.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  const secured = new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(error);
    const closed = (): void => reject(new Error("the connection was closed during its handshake"));
    socket.once("error", failed);
    socket.once("close", closed);
    socket.once("secureConnect", () => {
      socket.off("error", failed);
      socket.off("close", closed);
      resolve();
    });
  });
  const abandon = (): void => {
    // A late error of an abandoned socket must find a listener, or it ends the process.
    socket.on("error", () => {});
    socket.destroy();
  };
  await withDeadline(
    secured,
    limits,
    (ms) => new Error(`no connection to ${address}:${port} within ${ms} ms`),
    abandon,
  );
  const peer = socket.getPeerX509Certificate();
  if (peer === undefined || fingerprintOf(peer.raw) !== fingerprint) {
    abandon();
    throw stranger(`${address}:${port}`);
  }
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;
}

function contextOf(identity: KeyPair): SecureContext {
  const known = contexts.get(identity);
  if (known !== undefined) return known;
  const made = createSecureContext({
    key: toPem("PRIVATE KEY", identity.key),
    cert: toPem("CERTIFICATE", identity.certificate),
    minVersion: "TLSv1.3",
  });
  contexts.set(identity, made);
  return made;
}
