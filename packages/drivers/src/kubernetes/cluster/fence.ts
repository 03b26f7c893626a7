import { createHmac } from "node:crypto";
import type { V1NetworkPolicySpec, V1Pod } from "@kubernetes/client-node";
import type { MachineSpec } from "@microterm/core";
import { type MachineId, PlatformError } from "@microterm/protocol";
import { EPOCH, LABELS } from "../pods/labels.ts";
import { nameOf } from "../pods/pod-objects.ts";
import type { ClusterApi, Revision } from "./cluster-api.ts";

/** An object may be changed between it is read and written: by its node, which tells how a pod is. */
const MAX_TRIES = 10;

/**
 * Keeps a server that was taken over while it stood still from changing what is another's. A pod and its policy bear the epoch of
 * who holds the machine; the API server compares it, or the revision at which it was read, with what there is when it writes. The epoch, and
 * the environment's id, are sealed with the key of the installation: what others write there is taken for none.
 */
export class Fence {
  readonly #api: ClusterApi;
  readonly #key: Uint8Array;
  readonly #epochs = new Map<MachineId, number>();

  constructor(api: ClusterApi, key: Uint8Array) {
    this.#api = api;
    this.#key = key;
  }

  /** The pod of a machine that is made here, at the first epoch. */
  begin({ machineId, environmentId }: Pick<MachineSpec, "machineId" | "environmentId">, pod: V1Pod): V1Pod {
    this.#epochs.set(machineId, 0);
    const annotations = {
      [EPOCH]: this.#sealed(machineId, 0),
      ...(environmentId === null ? {} : { [LABELS.environment]: this.#seal(machineId, environmentId) }),
    };
    return { ...pod, metadata: { ...pod.metadata, annotations } };
  }

  /** Of whose start the pod is; null for one that waits in a pool, or whose label others have written. */
  environmentOf(machineId: MachineId, { metadata }: Revision): string | null {
    const environmentId = metadata?.labels?.[LABELS.environment];
    if (environmentId === undefined) return null;
    return metadata?.annotations?.[LABELS.environment] === this.#seal(machineId, environmentId) ? environmentId : null;
  }

  /** Rejects with `ENVIRONMENT_MOVED` where a server of a later epoch has the machine. */
  async take(machineId: MachineId, epoch: number): Promise<void> {
    const name = nameOf(machineId);
    const own = { [EPOCH]: this.#sealed(machineId, epoch) };
    const hasOwn = ({ metadata }: Revision): boolean => metadata?.annotations?.[EPOCH] === own[EPOCH];
    await this.#write(
      { machineId, epoch, read: () => this.#api.getPod(name) },
      async (pod) => hasOwn(pod) || (await this.#api.annotatePod(name, pod, own)),
    );
    await this.#write(
      { machineId, epoch, read: () => this.#api.getPolicy(name) },
      async (policy) => hasOwn(policy) || (await this.#api.annotatePolicy(name, policy, own)),
    );
    this.#epochs.set(machineId, epoch);
  }

  /** Rejects with `ENVIRONMENT_MOVED` where the machine was taken since. */
  async changePolicy(machineId: MachineId, spec: V1NetworkPolicySpec): Promise<void> {
    const epoch = this.#epochs.get(machineId) ?? 0;
    const change = () => this.#api.changePolicy(nameOf(machineId), spec, { [EPOCH]: this.#sealed(machineId, epoch) });
    try {
      await change();
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== "MACHINE_BOOT_FAILED") throw error;
      // The API server does not say what it refused: others may have written there what is no epoch.
      await this.take(machineId, epoch);
      await change();
    }
  }

  /**
   * Rejects with `ENVIRONMENT_MOVED` where the machine was taken since. One that this server has not had is one that nobody has, as the
   * database says.
   */
  async deletePod(machineId: MachineId, graceSeconds: number): Promise<void> {
    const name = nameOf(machineId);
    const epoch = this.#epochs.get(machineId) ?? Number.POSITIVE_INFINITY;
    await this.#write({ machineId, epoch, read: () => this.#api.getPod(name) }, (pod) =>
      this.#api.deletePod(name, pod, graceSeconds),
    );
    this.#epochs.delete(machineId);
  }

  async #write<T extends Revision>(
    { machineId, epoch, read }: { machineId: MachineId; epoch: number; read: () => Promise<T | null> },
    write: (object: T) => Promise<boolean>,
  ): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const object = await read();
      if (object === null) return;
      if (this.#epochOf(machineId, object) > epoch) {
        throw new PlatformError("ENVIRONMENT_MOVED", "another server has taken the machine over");
      }
      if (await write(object)) return;
    }
    throw new PlatformError("HOST_DAEMON_UNAVAILABLE", "an object of the cluster is changed all the time");
  }

  #sealed(machineId: MachineId, epoch: number): string {
    return `${epoch}.${this.#seal(machineId, String(epoch))}`;
  }

  /** `text` is an epoch, or the id of an environment, which is longer. */
  #seal(machineId: MachineId, text: string): string {
    return createHmac("sha256", this.#key).update(`${machineId} ${text}`).digest("base64url");
  }

  #epochOf(machineId: MachineId, { metadata }: Revision): number {
    const text = metadata?.annotations?.[EPOCH] ?? "";
    const epoch = Number.parseInt(text, 10);
    return text === this.#sealed(machineId, epoch) ? epoch : 0;
  }
}
