import type { V1Pod } from "@kubernetes/client-node";
import { AgentLink } from "@microterm/agent-client";
import type { Abortable, GuestAgent, Machine, MachineEnd, Removed } from "@microterm/core";
import { connectPinned, type KeyPair } from "@microterm/host";
import { type MachineId, PlatformError } from "@microterm/protocol";
import type { ClusterApi } from "./cluster/cluster-api.ts";
import { AGENT_PORT, nameOf } from "./pods/pod-objects.ts";
import { endOf, isLeaving, whyStuck } from "./pods/pod-state.ts";

/** The agent listens before the pod counts as running. */
const ATTEMPT_MS = 5000;
const stranger = (place: string): Error =>
  new PlatformError("GUEST_PROTOCOL", `who answers at ${place} is not the machine's agent`);
/** After its grace period, for a node that kills and cleans up. */
const STUCK_MS = 15_000;

export interface KubernetesMachineOptions {
  readonly id: MachineId;
  readonly pod: V1Pod;
  /** Of the agent's certificate. */
  readonly fingerprint: string;
  readonly identity: KeyPair;
  /** Of the server that holds it. */
  readonly epoch: number;
  readonly api: ClusterApi;
  /** The agent has its keys: the secret that brought them is of no use any more. */
  readonly onConnected: () => void;
  readonly remove: () => Promise<Removed>;
}

/** A pod whose container runs the agent. */
export class KubernetesMachine implements Machine {
  readonly id: MachineId;
  readonly ended: Promise<MachineEnd>;
  readonly #options: KubernetesMachineOptions;
  readonly #link: AgentLink;
  readonly #unfollow: () => void;
  #isReleased = false;
  /** When the pod was first seen to be deleted; by this process's clock, as the cluster's may be another. */
  #leavingSince: number | null = null;
  #resolveEnded: (end: MachineEnd) => void = () => {};

  constructor(options: KubernetesMachineOptions) {
    const { id, pod, api, identity, fingerprint } = options;
    this.id = id;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    const address = pod.status?.podIP ?? "";
    this.#link = new AgentLink({
      open: (limits) => connectPinned({ address, port: AGENT_PORT, fingerprint, stranger }, identity, limits),
      attemptMs: ATTEMPT_MS,
      epoch: options.epoch,
      onConnected: options.onConnected,
    });
    this.#unfollow = api.pods.follow(nameOf(id), (state) => this.#look(state));
    this.#look(api.pods.get(nameOf(id)) ?? pod);
  }

  agent(options: Abortable & { readonly timeoutMs: number }): Promise<GuestAgent> {
    return this.#link.agent(options);
  }

  /** Of a guest that answers nothing: a pod that was deleted and does not go is on a node that is lost, and may run there still. */
  async examine(): Promise<void> {
    const pod = await this.#options.api.getPod(nameOf(this.id));
    this.#look(pod);
    if (pod === null || this.#leavingSince === null) return;
    const graceMs = (pod.metadata?.deletionGracePeriodSeconds ?? 0) * 1000;
    if (performance.now() - this.#leavingSince < graceMs + STUCK_MS) return;
    this.#end({ kind: "died", reason: whyStuck(pod) });
  }

  async console(): Promise<Uint8Array> {
    return Buffer.from(await this.#options.api.podLog(nameOf(this.id)));
  }

  async stop(): Promise<Removed> {
    this.#leave("the machine was stopped");
    return await this.#options.remove();
  }

  release(): void {
    this.#leave("the machine was released");
  }

  #leave(reason: string): void {
    this.#isReleased = true;
    this.#unfollow();
    this.#link.end(reason);
  }

  #look(pod: V1Pod | null): void {
    if (this.#isReleased) return;
    // Another pod under the same name is not this machine.
    const isOther = pod !== null && pod.metadata?.uid !== this.#options.pod.metadata?.uid;
    const end: MachineEnd | null =
      pod === null || isOther ? { kind: "died", reason: "its pod was deleted" } : endOf(pod);
    if (end !== null) this.#end(end);
    else if (pod !== null && isLeaving(pod)) this.#leavingSince ??= performance.now();
  }

  #end(end: MachineEnd): void {
    if (this.#isReleased) return;
    this.#leave(end.reason);
    this.#resolveEnded(end);
  }
}
