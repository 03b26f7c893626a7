import { type Environment, type EnvironmentId, type NetworkPolicy, PlatformError } from "@microterm/protocol";
import { type Actor, SYSTEM } from "../../access/actor.ts";
import type { Act } from "../../audit/audit-log.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { reapplyPolicy, setPolicy } from "../network/apply-policy.ts";
import { assertSupported, withoutRule, withRule } from "../network/policy-plan.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { refusal } from "../state/refusal.ts";
import type { EnvironmentService } from "./environment-service.ts";
import { requireRow } from "./lookup.ts";
import { toEnvironment } from "./view.ts";

interface PolicyChange {
  readonly actor: Actor;
  readonly row: EnvironmentRow;
  readonly next: (policy: NetworkPolicy) => NetworkPolicy;
}

/**
 * Writes a policy and has the machine that there is follow it. Where that fails the row keeps the policy of before, and the machine
 * follows that again as soon as it can. Rejects with `UNSUPPORTED` for a policy that the network does not have.
 */
export function changePolicy(
  context: EnvironmentContext,
  { actor, row: asked, next }: PolicyChange,
): Promise<EnvironmentRow> {
  const { rows, live, networkTurns, audit } = context;
  return networkTurns.run(asked.id, async () => {
    const before = (await rows.get(asked.id, SYSTEM)) ?? asked;
    const current = requirePolicy(before);
    const policy = next(current);
    assertPolicy(context, before, policy);
    const row = await audit.change(actor, policyAct(asked.id, policy), ({ environments }) =>
      environments.setNetwork(asked.id, policy),
    );
    if (row === null) throw await refusalOf(context, before);
    // A start sets it when it has come so far, from the row.
    const held = live.get(row.id);
    if (held?.isReady === true) {
      await setPolicy(context, row, held.machine.id).catch(async (error: unknown) => {
        // It may have been done all the same. This waits for its turn, and reads the row then.
        void reapplyPolicy(context, row, held.machine.id);
        await rows.setNetwork(row.id, current);
        throw error;
      });
    }
    changed(context, row);
    return row;
  });
}

async function refusalOf({ rows }: EnvironmentContext, before: EnvironmentRow): Promise<PlatformError> {
  const now = await rows.get(before.id, SYSTEM);
  if (now !== null && now.state !== "destroying") return refusal(now, "it was started at the same time");
  return refusal({ ...before, state: "destroying" }, "its network cannot be changed");
}

const policyAct = (environment: EnvironmentId, { mode, ...policy }: NetworkPolicy): Act => ({
  action: "policy.changed",
  environment,
  detail: { policy: mode, ...("allow" in policy ? { rules: policy.allow.length } : {}) },
});

/** Throws `UNSUPPORTED` for a policy that an environment cannot have here. */
export function assertPolicy({ network }: EnvironmentContext, row: EnvironmentRow, policy: NetworkPolicy): void {
  requirePolicy(row);
  assertSupported(policy, network.capabilities);
}

/** Throws `UNSUPPORTED` for an environment without an interface. */
export function requirePolicy({ name, network }: EnvironmentRow): NetworkPolicy {
  if (network !== null) return network;
  throw new PlatformError(
    "UNSUPPORTED",
    `'${name}' was made without a network interface, and has none for life: create another where networks are there`,
  );
}

export function createNetworkActions(
  context: EnvironmentContext,
): Pick<EnvironmentService, "networkStatus" | "networkDenials" | "allowNetwork" | "disallowNetwork"> {
  const { network, clock, live, audit } = context;

  async function changeRules(
    actor: Actor,
    reference: string,
    next: (policy: NetworkPolicy) => NetworkPolicy,
  ): Promise<Environment> {
    return audit.attempt(actor, { action: "policy.changed", target: reference }, async () => {
      const row = await requireRow(context, { actor, action: "environment.change", reference });
      return toEnvironment(context, await changePolicy(context, { actor, row, next }));
    });
  }

  return {
    async networkStatus(actor, reference) {
      const { id, network: policy } = await requireRow(context, { actor, action: "environment.inspect", reference });
      const held = live.get(id);
      if (held === undefined || policy === null) return { policy, traffic: null, connections: null };
      return { policy, ...(await network.traffic(held.machine.id)) };
    },

    async networkDenials(actor, reference) {
      const { id, network: policy } = await requireRow(context, { actor, action: "environment.inspect", reference });
      const held = live.get(id);
      if (held === undefined || policy === null) return [];
      const names = context.guestNames.get(id);
      // A name that was denied was answered with an address that stands for it alone.
      return (await network.denials(held.machine.id)).map((denial) => {
        const name = denial.address === null ? null : (names?.deniedName(denial.address) ?? null);
        return name === null ? denial : { ...denial, name, address: null, by: "policy" };
      });
    },

    allowNetwork: (actor, reference, rule) =>
      changeRules(actor, reference, (policy) => withRule(policy, rule, clock.now())),
    disallowNetwork: (actor, reference, rule) =>
      changeRules(actor, reference, (policy) => withoutRule(policy, rule, clock.now())),
  };
}
