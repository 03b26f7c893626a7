import type { V1NetworkPolicySpec } from "@kubernetes/client-node";
import type { GuestAgent } from "@microterm/core";
import { type MachineId, PlatformError } from "@microterm/protocol";
import type { ClusterApi } from "../cluster/cluster-api.ts";
import { LABELS } from "../pods/labels.ts";
import { AGENT_PORT, nameOf } from "../pods/pod-objects.ts";

/** A network plugin has a changed policy within a second; a busy one takes longer. */
const ENFORCED_MS = 15_000;
const CONNECT_SECONDS = 2;

export interface PolicyProof {
  /** What a NetworkPolicy refuses is refused, both ways. */
  readonly isEnforced: boolean;
  /** How that was found, for a person. */
  readonly policyReason: string;
}

/**
 * Has a pod connect to another one while their policies are changed. They are open to each other first: what is refused later is refused by the
 * policy that was changed.
 */
export async function provePolicies(
  api: ClusterApi,
  agent: GuestAgent,
  { from, to }: { readonly from: MachineId; readonly to: MachineId },
): Promise<PolicyProof> {
  const address = (await api.getPod(nameOf(to)))?.status?.podIP ?? "";
  const set = (id: MachineId, part: Partial<V1NetworkPolicySpec>): Promise<void> =>
    api.changePolicy(nameOf(id), { ...openTo(id), ...part }, {});
  const becomes = (wanted: boolean): Promise<boolean> => untilConnects(agent, address, wanted);
  const failed = (policyReason: string): PolicyProof => ({ isEnforced: false, policyReason });

  await Promise.all([set(from, {}), set(to, {})]);
  if (!(await becomes(true)))
    return failed("pods do not reach each other where their NetworkPolicies let them, which tells nothing of others");
  await set(from, { egress: [] });
  if (!(await becomes(false))) return failed("a pod sent what its NetworkPolicy does not let out");
  await set(from, {});
  if (!(await becomes(true))) return failed("a NetworkPolicy that was opened again had no effect");
  await set(to, { ingress: [] });
  if (!(await becomes(false))) return failed("a pod was sent what its NetworkPolicy does not let in");
  return { isEnforced: true, policyReason: "what the NetworkPolicies of two pods refuse was refused, both ways" };
}

const openTo = (id: MachineId): V1NetworkPolicySpec => ({
  podSelector: { matchLabels: { [LABELS.machine]: id } },
  policyTypes: ["Ingress", "Egress"],
  ingress: [{}],
  egress: [{}],
});

/** Resolves with false where it has not come to that in time. */
async function untilConnects(agent: GuestAgent, address: string, wanted: boolean): Promise<boolean> {
  const deadline = performance.now() + ENFORCED_MS;
  while ((await connects(agent, address)) !== wanted) {
    if (performance.now() > deadline) return false;
  }
  return true;
}

/** Whether the agent's pod connects to the agent of another. */
async function connects(agent: GuestAgent, address: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  let hasConnected = false;
  const attempt = `exec 3<>/dev/tcp/${address}/${AGENT_PORT}`;
  const command = ["timeout", String(CONNECT_SECONDS), "bash", "-c", attempt];
  const stream = await agent.exec(
    { command, tty: null },
    {
      started: () => {},
      stdout: () => {},
      stderr: () => {},
      exited: (exit) => {
        hasConnected = exit.code === 0;
      },
      failed: ({ code }) =>
        reject(new PlatformError("MACHINE_BOOT_FAILED", `the image of pods cannot run bash: ${code}`)),
      closed: (error) => (error === undefined ? resolve(hasConnected) : reject(error)),
    },
  );
  stream.endInput();
  return promise;
}
