import { randomBytes } from "node:crypto";
import type { Log, MachineSpec } from "@microterm/core";
import { createKeyPair } from "@microterm/host";
import { MachineId, PlatformError } from "@microterm/protocol";
import { nameOfResource, rightsOf } from "../cluster/rights.ts";
import { connectTo } from "../kubernetes-driver.ts";
import { podOf } from "../pods/pod-objects.ts";
import type { PodPlace } from "../pods/pod-place.ts";
import { claimOf } from "../volumes/claim-objects.ts";
import { hasClass } from "../volumes/cluster-disks.ts";
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
  /** Has the cluster check a claim of that size, and make none: the class that its volume would be of. Null where homes are not kept. */
  tryClaim(sizeMib: number): Promise<string | null>;
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
      const asked = rightsOf({ hasVolumes: place.volumes !== null }).flatMap((right) =>
        right.verbs.map((verb) => ({ right, verb })),
      );
      const allowed = await Promise.all(asked.map(({ right, verb }) => api.may(right, verb)));
      const missing = asked.filter((_, at) => allowed[at] !== true);
      return missing.map(({ right, verb }) => `${nameOfResource(right)} ${verb}`);
    },
    async tryPod(size) {
      const machineId = MachineId.parse(randomBytes(8).toString("hex"));
      const spec = { machineId, ...size, diskId: null, environmentId: null, network: null, limits: null };
      await api.tryPod(podOf(spec, { ...settings, ...place }));
    },
    async tryClaim(sizeMib) {
      if (place.volumes === null) return null;
      const { storageClass } = place.volumes;
      if (storageClass !== null) await api.assertStorageClass(storageClass);
      const diskId = randomBytes(8).toString("hex");
      const claim = await api.tryClaim(claimOf({ diskId, sizeMib }, { ...settings, storageClass }));
      if (hasClass(claim)) return claim.spec?.storageClassName ?? "";
      throw new PlatformError("MACHINE_BOOT_FAILED", "the cluster has no default StorageClass");
    },
    prove: () => proveCluster(place, SILENT),
    close: () => api.close(),
  };
}
