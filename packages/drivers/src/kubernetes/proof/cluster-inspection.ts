import { randomBytes } from "node:crypto";
import type { Log, MachineSpec } from "@microterm/core";
import { createKeyPair } from "@microterm/host";
import { MachineId } from "@microterm/protocol";
import { nameOfResource, RIGHTS } from "../cluster/rights.ts";
import { connectTo } from "../kubernetes-driver.ts";
import { podOf } from "../pods/pod-objects.ts";
import type { PodPlace } from "../pods/pod-place.ts";
import { proveCluster } from "./cluster-proof.ts";
import type { ClusterProof } from "./proof-file.ts";

/** What `doctor` looks at. Each call rejects with what the cluster says. */
export interface ClusterInspection {
  /** The API server's URL. */
  readonly server: string;
  /** `v1.34.4`. */
  version(): Promise<string>;
  /** `pods create`, of those that a server needs. */
  missingRights(): Promise<readonly string[]>;
  /** Has the cluster check a pod of that size, and make none. */
  tryPod(size: Pick<MachineSpec, "memoryMib" | "cpus">): Promise<void>;
  prove(): Promise<ClusterProof>;
  close(): void;
}

/** What is seen is told to who asked. */
const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };

/** Rejects where the kubeconfig cannot be read. */
export async function inspectCluster(place: PodPlace): Promise<ClusterInspection> {
  const api = await connectTo({ ...place, identity: createKeyPair("microterm doctor"), log: SILENT });
  const settings = { component: "probe", installation: "doctor", allowsPrivileges: false } as const;
  return {
    server: api.server,
    version: () => api.version(),
    async missingRights() {
      const asked = RIGHTS.flatMap((right) => right.verbs.map((verb) => ({ right, verb })));
      const allowed = await Promise.all(asked.map(({ right, verb }) => api.may(right, verb)));
      const missing = asked.filter((_, at) => allowed[at] !== true);
      return missing.map(({ right, verb }) => `${nameOfResource(right)} ${verb}`);
    },
    async tryPod(size) {
      const machineId = MachineId.parse(randomBytes(8).toString("hex"));
      const spec = { machineId, ...size, diskId: null, environmentId: null, network: null, limits: null };
      await api.tryPod(podOf(spec, { ...settings, ...place }));
    },
    prove: () => proveCluster(place, SILENT),
    close: () => api.close(),
  };
}
