import type { V1Pod } from "@kubernetes/client-node";
import { AgentLink } from "@microterm/agent-client";
import type { Abortable, GuestAgent, Machine, MachineEnd, Removed } from "@microterm/core";
import { connectPinned, type KeyPair } from "@microterm/host";
import { type MachineId, PlatformError } from "@microterm/protocol";
import type { ClusterApi } from "./cluster/cluster-api.ts";
import { AGENT_PORT, nameOf } from "./pods/pod-objects.ts";
import { endOf } from "./pods/pod-state.ts";

/** The agent listens before the pod counts as running. */
const ATTEMPT_MS = 5000;
const stranger = (place: string): Error =>
  new PlatformError("GUEST_PROTOCOL", `who answers at ${place} is not the machine's agent`);

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

  async examine(): Promise<void> {
    this.#look(await this.#options.api.getPod(nameOf(this.id)));
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
    if (end === null) return;
    this.#leave(end.reason);
    this.#resolveEnded(end);
  }
}
