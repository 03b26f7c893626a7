import type { V1PersistentVolumeClaim } from "@kubernetes/client-node";
import type { FoundDisk, VmDriver } from "@microterm/core";
import { PlatformError, plainText } from "@microterm/protocol";
import type { ClusterApi } from "../cluster/cluster-api.ts";
import { type ClaimSettings, claimNameOf, claimOf, claimSelectorOf, diskIdOf, usesClaim } from "./claim-objects.ts";
import { bytesOf } from "./quantity.ts";

const MIB = 1024 * 1024;
/** The cluster lets a claim go some tenths of a second after the last pod with it. */
const GONE_MS = 30_000;
const LOOK_MS = 100;
const NONE = { files: 0, bytes: 0 } as const;

/** The disks of environments as PersistentVolumeClaims. */
export interface ClusterDisks extends Pick<VmDriver, "createDisk" | "removeDisk" | "listDisks" | "leftovers"> {
  /** A boot's failure, with what the cluster says of a disk that it could not have. */
  explain(diskId: string | null, failure: unknown): Promise<unknown>;
}

export function createClusterDisks(api: ClusterApi, settings: ClaimSettings): ClusterDisks {
  const { installation, storageClass } = settings;
  const nameOf = (diskId: string): string => claimNameOf(installation, diskId);
  const list = () => api.listClaims(claimSelectorOf(installation));

  return {
    async createDisk(diskId, { sizeMib }) {
      // A claim of a class that is not there waits for it, without a word.
      if (storageClass !== null) await api.assertStorageClass(storageClass);
      const made = await api.createClaim(claimOf({ diskId, sizeMib }, settings));
      const claim = made ?? (await api.getClaim(nameOf(diskId)));
      if (claim === null || claim.metadata?.deletionTimestamp !== undefined) {
        throw new PlatformError(
          "HOST_DAEMON_UNAVAILABLE",
          `the claim ${nameOf(diskId)} is being deleted: try again in a moment`,
        );
      }
      if (hasClass(claim)) return;
      await api.deleteClaim(nameOf(diskId));
      throw new PlatformError(
        "MACHINE_BOOT_FAILED",
        "the cluster has no default StorageClass, so that nothing makes volumes: name one by --storage-class",
      );
    },

    async removeDisk(diskId) {
      const name = nameOf(diskId);
      const claim = await api.getClaim(name);
      if (claim === null) return NONE;
      if ((await api.listPods()).some((pod) => usesClaim(pod, name))) {
        throw new PlatformError("ENVIRONMENT_STATE", `a pod has the claim ${name}`);
      }
      await api.deleteClaim(name);
      await untilClaimGone(api, name);
      // Where it was never bound, nothing had been allocated.
      return { files: 1, bytes: bytesOf(claim.status?.capacity?.storage ?? "0") };
    },

    async listDisks() {
      return (await list()).flatMap((claim): FoundDisk[] => {
        const diskId = diskIdOf(claim, installation);
        const bytes = bytesOf(claim.spec?.resources?.requests?.storage ?? "0");
        return diskId === null ? [] : [{ diskId, unwrittenMib: bytes / MIB, isMeasured: false }];
      });
    },

    async leftovers(ids) {
      const found = await Promise.all(ids.map((id) => api.getClaim(nameOf(id))));
      return found.flatMap((claim) => (claim === null ? [] : [`persistentvolumeclaim ${claim.metadata?.name}`]));
    },

    async explain(diskId, failure) {
      if (diskId === null || !(failure instanceof PlatformError)) return failure;
      const name = nameOf(diskId);
      const claim = await api.getClaim(name).catch(() => null);
      if (claim === null || claim.status?.phase === "Bound") return failure;
      const said = await api.lastWarningOf(name).catch(() => null);
      const why = plainText(said ?? "the cluster does not say why", { layout: "line", max: 300 });
      return new PlatformError(
        failure.code,
        `${failure.message}; its volume (claim ${name}) is ${claim.status?.phase ?? "Pending"}: ${why}`,
        { cause: failure },
      );
    },
  };
}

/** The API server gives a claim the default's class where there is one. */
export const hasClass = ({ spec }: V1PersistentVolumeClaim): boolean => spec?.storageClassName !== undefined;

async function untilClaimGone(api: ClusterApi, name: string): Promise<void> {
  const deadline = performance.now() + GONE_MS;
  while ((await api.getClaim(name)) !== null) {
    if (performance.now() > deadline) {
      throw new PlatformError(
        "HOST_DAEMON_UNAVAILABLE",
        `the claim ${name} was deleted and has not gone within ${GONE_MS} ms`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Of a driver whose files end with their pods. */
export const NO_DISKS: ClusterDisks = {
  createDisk: () => Promise.resolve(),
  removeDisk: () => Promise.resolve(NONE),
  listDisks: () => Promise.resolve([]),
  leftovers: () => Promise.resolve([]),
  explain: (_diskId, failure) => Promise.resolve(failure),
};
