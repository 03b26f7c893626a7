import {
  type Environment,
  MAX_MEMBERS,
  MAX_NETWORKS,
  NetworkId,
  PlatformError,
  type SharedNetwork,
} from "@microterm/protocol";
import { type Actor, SYSTEM } from "../../access/actor.ts";
import { type Action, assertAllowed } from "../../access/authorize.ts";
import type { Act } from "../../audit/audit-log.ts";
import type { NetworkRow } from "../../ports/repository.ts";
import { reapplyMembership, tellGuest } from "../network/membership.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { refusal } from "../state/refusal.ts";
import type { EnvironmentService } from "./environment-service.ts";
import { requireRow } from "./lookup.ts";
import { requirePolicy } from "./network-actions.ts";
import { toEnvironment } from "./view.ts";

const ID_LENGTH = 12;

export function createSharedNetworkActions(
  context: EnvironmentContext,
): Pick<EnvironmentService, "createNetwork" | "listNetworks" | "removeNetwork" | "joinNetwork" | "leaveNetwork"> {
  const { rows, networks, network, random, clock, audit } = context;

  async function requireNetwork(actor: Actor, action: Action, reference: string): Promise<NetworkRow> {
    assertAllowed(actor, action, actor);
    const found = await networks.find(reference, actor);
    if (found === null) throw new PlatformError("NETWORK_NOT_FOUND", `there is no network '${reference.slice(0, 64)}'`);
    return found;
  }

  /** Throws `UNSUPPORTED` where there are no such networks. */
  function assertShared(): void {
    const { supportsSharedNetworks, policies } = network.capabilities;
    if (supportsSharedNetworks) return;
    throw new PlatformError(
      "UNSUPPORTED",
      policies.length === 0
        ? "environments have their loopback alone here, and share no networks (./microterm doctor says why)"
        : `environments share no networks here: the network '${network.name}' has none`,
    );
  }

  async function create(actor: Actor, name: string): Promise<SharedNetwork> {
    assertAllowed(actor, "network.change", actor);
    assertShared();
    const id = NetworkId.parse(random.id(ID_LENGTH));
    const createdAt = new Date(clock.now()).toISOString();
    await audit.change(actor, { action: "network.created", target: id, detail: { name } }, (to) =>
      to.networks.insert({ id, owner: actor.owner, name, createdAt }, MAX_NETWORKS),
    );
    return { id, name, members: [], createdAt };
  }

  async function remove(actor: Actor, reference: string): Promise<void> {
    const { id, name } = await requireNetwork(actor, "network.change", reference);
    const act = { action: "network.removed", target: id, detail: { name } } as const;
    if (await audit.change(actor, act, (to) => to.networks.remove(id))) return;
    const members = (await rows.list(actor)).filter((row) => row.sharedNetwork === id).map((row) => row.name);
    // Gone meanwhile, by another request.
    if (members.length === 0) return;
    throw new PlatformError("NETWORK_IN_USE", `'${name}' has members: ${members.join(", ")}`);
  }

  return {
    createNetwork: (actor, { name }) =>
      audit.attempt(actor, { action: "network.created", detail: { name } }, () => create(actor, name)),

    async listNetworks(actor) {
      assertAllowed(actor, "network.read", actor);
      const [all, environments] = await Promise.all([networks.list(actor), rows.list(actor)]);
      return all.map(({ id, name, createdAt }): SharedNetwork => {
        const members = environments.filter((row) => row.sharedNetwork === id);
        const addressOf = (machineId: (typeof members)[number]["machineId"]): string | null =>
          machineId === null ? null : network.memberAddress(machineId);
        return {
          ...{ id, name, createdAt },
          members: members.map((row) => ({ id: row.id, name: row.name, address: addressOf(row.machineId) })),
        };
      });
    },

    removeNetwork: (actor, reference) =>
      audit.attempt(actor, { action: "network.removed", target: reference }, () => remove(actor, reference)),

    joinNetwork: (actor, reference, networkReference) =>
      audit.attempt(actor, { action: "network.joined", target: reference }, async () => {
        const joined = await requireNetwork(actor, "network.change", networkReference);
        assertShared();
        return changeMembership(context, actor, reference, joined);
      }),

    leaveNetwork: (actor, reference) =>
      audit.attempt(actor, { action: "network.left", target: reference }, () =>
        changeMembership(context, actor, reference, null),
      ),
  };
}

/**
 * Writes which network an environment is in and has the machine that there is follow it. Where the host fails at that the row says what
 * it has said before, and the machine follows that again as soon as it can. The guest is told after that.
 */
async function changeMembership(
  context: EnvironmentContext,
  actor: Actor,
  reference: string,
  joined: NetworkRow | null,
): Promise<Environment> {
  const { rows, live, network, networkTurns, audit } = context;
  const next = joined?.id ?? null;
  const asked = await requireRow(context, { actor, action: "environment.change", reference });
  const { row, machineId } = await networkTurns.run(asked.id, async () => {
    const before = (await rows.get(asked.id, SYSTEM)) ?? asked;
    requirePolicy(before);
    const held = live.get(before.id);
    const isMoving = before.state === "creating" || (before.state === "running" && held?.isReady !== true);
    const only = { state: before.state, machineId: before.machineId, most: MAX_MEMBERS };
    const act: Act =
      joined === null
        ? { action: "network.left", environment: before.id }
        : { action: "network.joined", environment: before.id, target: joined.id, detail: { name: joined.name } };
    const row = isMoving
      ? null
      : await audit.change(actor, act, (to) => to.environments.setSharedNetwork(before.id, next, only));
    if (row === null) throw refusal(before, "its network cannot be changed before that has ended");
    if (held !== undefined) {
      await network.share(held.machine.id, next).catch(async (error: unknown) => {
        // It may have been done all the same. This waits for its turn, and reads the row then.
        reapplyMembership(context, before, held.machine.id);
        await rows.undoSharedNetwork(before.id, before.sharedNetwork, MAX_MEMBERS);
        throw error;
      });
    }
    changed(context, row);
    return { row, machineId: held?.machine.id ?? null };
  });
  if (machineId !== null) await tellGuest(context, row, machineId);
  return toEnvironment(context, row);
}
