import type { IncomingMessage, ServerResponse } from "node:http";
import type { PeerServer } from "@microterm/core";
import type { PeerConnections } from "./peer-connections.ts";

/** A guest is waited for for a second. */
const DEADLINE_MS = 1_500;
const MAX_ASKED_BYTES = 64 * 1024;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** Asks a peer, at a path of its own. Rejects where it is not answered in time. */
export async function askPeer(
  peers: PeerConnections,
  peer: PeerServer,
  { path, asked }: { readonly path: string; readonly asked: unknown },
): Promise<unknown> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const body = JSON.stringify(asked);
  const headers = { host: peer.address, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const outgoing = peers.request(peer, { method: "POST", path, headers, signal });
  const answered = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.on("error", reject);
    outgoing.end(body);
  });
  if (answered.statusCode !== 200) throw new Error("the peer does not know what it is asked");
  return JSON.parse(await textOf(answered, MAX_ANSWER_BYTES));
}

/** By path. Each parses what it is given. */
export type PeerAnswers = Readonly<Record<string, (asked: unknown) => Promise<unknown>>>;

/** Answers what peers ask. */
export function answerPeers(answers: PeerAnswers): (request: IncomingMessage, response: ServerResponse) => void {
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    const known = request.method === "POST" && Object.hasOwn(answers, path) ? answers[path] : undefined;
    if (known === undefined) return void response.writeHead(404).end();
    const body = JSON.stringify(await known(JSON.parse(await textOf(request, MAX_ASKED_BYTES))));
    response.writeHead(200, { "content-type": "application/json" }).end(body);
  }
  return (request, response) => {
    answer(request, response).catch(() => response.destroy());
  };
}

async function textOf(message: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new Error("a peer says too much");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
