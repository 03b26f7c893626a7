import { actorOf, type EnvironmentService, type Fleet, type PeerServer, type Storage, SYSTEM } from "@microterm/core";
import { Environment, EnvironmentId, OwnerId } from "@microterm/protocol";
import { z } from "zod";
import type { PeerConnections } from "./peer-connections.ts";
import { askPeer, type PeerAnswers } from "./peer-questions.ts";

const MOST_ENVIRONMENTS = 1_000;
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
  /** To peers that ask for the same. */
  readonly answers: PeerAnswers;
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

  async function viewsOf(peer: PeerServer, asked: z.infer<typeof Asked>): Promise<readonly View[]> {
    return Answered.parse(await askPeer(peers, peer, { path: PATH, asked })).environments;
  }

  return {
    async complete(owner, list) {
      // What this server holds has something to say, or is asked for in vain.
      const ids = list.filter((one) => one.state === "running" && one.terminals.length === 0).map(({ id }) => id);
      if (ids.length === 0 || fleet.peers().length === 0) return list;
      const asked = [...(await holders(owner, new Set(ids)))];
      const answers = await Promise.all(
        asked.map(([peer, held]) => viewsOf(peer, { owner, environments: held }).catch(() => [])),
      );
      const views = new Map(answers.flat().map((view) => [view.id, view]));
      return list.map((one) => ({ ...one, ...views.get(one.id) }));
    },

    answers: { [PATH]: async (asked) => ({ environments: await held(Asked.parse(asked)) }) },
  };
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
