import type { IncomingMessage, ServerResponse } from "node:http";
import { actorOf, type EnvironmentService, type Fleet, type PeerServer, type Storage, SYSTEM } from "@microterm/core";
import { Environment, EnvironmentId, OwnerId } from "@microterm/protocol";
import { z } from "zod";
import type { PeerConnections } from "./peer-connections.ts";

/** A guest is waited for for a second. */
const DEADLINE_MS = 1_500;
const MOST_ENVIRONMENTS = 1_000;
const MAX_ASKED_BYTES = 64 * 1024;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const PATH = "/peers/views";

/** A newer peer may say more. */
const Asked = z.object({ owner: OwnerId, environments: z.array(EnvironmentId).max(MOST_ENVIRONMENTS) });
/** What only the holder of an environment knows of it. */
const View = Environment.pick({ id: true, terminals: true, notice: true, unresponsiveSince: true }).strip();
type View = z.infer<typeof View>;
const Answered = z.object({ environments: z.array(View).max(MOST_ENVIRONMENTS) });

export interface PeerViewsOptions {
  readonly fleet: Fleet;
  readonly peers: PeerConnections;
  readonly storage: Pick<Storage, "accounts" | "environments">;
  /** Of what this server holds itself. */
  readonly environments: Pick<EnvironmentService, "list">;
}

/** Environments with what their holders know of them. */
export interface PeerViews {
  /** Those of one owner. What a holder does not say in time is left as it is. */
  complete(owner: OwnerId, environments: readonly Environment[]): Promise<readonly Environment[]>;
  /** Answers a peer that asks for the same. */
  answer(request: IncomingMessage, response: ServerResponse): void;
}

export function createPeerViews({ fleet, peers, storage, environments }: PeerViewsOptions): PeerViews {
  async function holders(owner: OwnerId, ids: ReadonlySet<EnvironmentId>): Promise<Map<PeerServer, EnvironmentId[]>> {
    const [id] = ids;
    const rows =
      ids.size === 1 && id !== undefined
        ? [await storage.environments.get(id, SYSTEM)]
        : await storage.environments.list(actorOf({ id: owner, role: "member" }));
    const found = new Map<PeerServer, EnvironmentId[]>();
    for (const peer of fleet.peers()) {
      const held = rows.filter((row) => row?.server === peer.number && ids.has(row.id)).flatMap((row) => row?.id ?? []);
      if (held.length > 0) found.set(peer, held.slice(0, MOST_ENVIRONMENTS));
    }
    return found;
  }

  async function held({ owner, environments: ids }: z.infer<typeof Asked>): Promise<View[]> {
    const account = await storage.accounts.get(owner);
    if (account === null) return [];
    const asked = new Set(ids);
    return (await environments.list(actorOf(account)))
      .filter(({ id }) => asked.has(id))
      .map(({ id, terminals, notice, unresponsiveSince }) => ({ id, terminals, notice, unresponsiveSince }));
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "POST" || request.url !== PATH) return void response.writeHead(404).end();
    const asked = Asked.parse(JSON.parse(await textOf(request, MAX_ASKED_BYTES)));
    const body = JSON.stringify({ environments: await held(asked) });
    response.writeHead(200, { "content-type": "application/json" }).end(body);
  }

  return {
    async complete(owner, list) {
      // What this server holds has something to say, or is asked for in vain.
      const ids = list.filter((one) => one.state === "running" && one.terminals.length === 0).map(({ id }) => id);
      if (ids.length === 0 || fleet.peers().length === 0) return list;
      const asked = [...(await holders(owner, new Set(ids)))];
      const answers = await Promise.all(
        asked.map(([peer, held]) => askPeer(peers, peer, { owner, environments: held }).catch(() => [])),
      );
      const views = new Map(answers.flat().map((view) => [view.id, view]));
      return list.map((one) => ({ ...one, ...views.get(one.id) }));
    },

    answer(request, response) {
      answer(request, response).catch(() => response.destroy());
    },
  };
}

/** Rejects where it is not answered in time. */
async function askPeer(
  peers: PeerConnections,
  peer: PeerServer,
  asked: z.infer<typeof Asked>,
): Promise<readonly View[]> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const body = JSON.stringify(asked);
  const headers = { host: peer.address, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const outgoing = peers.request(peer, { method: "POST", path: PATH, headers, signal });
  const answered = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.on("error", reject);
    outgoing.end(body);
  });
  return Answered.parse(JSON.parse(await textOf(answered, MAX_ANSWER_BYTES))).environments;
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

/** The environments of all servers, as one server has its own. */
export function withPeerViews(
  environments: EnvironmentService,
  { complete }: Pick<PeerViews, "complete">,
): EnvironmentService {
  return {
    ...environments,
    list: async (actor) => complete(actor.owner, await environments.list(actor)),
    async get(actor, reference) {
      const environment = await environments.get(actor, reference);
      // What its guest says is its owner's.
      if (environment.owner !== actor.owner) return environment;
      const [whole = environment] = await complete(environment.owner, [environment]);
      return whole;
    },
  };
}
