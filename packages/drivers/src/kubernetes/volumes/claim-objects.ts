import type { V1PersistentVolumeClaim, V1Pod } from "@kubernetes/client-node";
import { LABELS } from "../pods/labels.ts";

/** Where the home of the guest's user is: its agent makes it there, as on any new disk (`rust/agent/src/guest/boot.rs`). */
export const HOMES = "/home";

/** Of which class volumes are; null: the cluster's default. */
export interface VolumeSettings {
  readonly storageClass: string | null;
}

/** What cannot be changed of an object is its name: labels are no proof of whose a claim is. */
export const claimNameOf = (installation: string, diskId: string): string => `mt-disk-${installation}-${diskId}`;

export interface ClaimSettings extends VolumeSettings {
  /** Tells this installation's claims from another's in the same namespace. */
  readonly installation: string;
}

export function claimOf(
  { diskId, sizeMib }: { readonly diskId: string; readonly sizeMib: number },
  { installation, storageClass }: ClaimSettings,
): V1PersistentVolumeClaim {
  return {
    metadata: {
      name: claimNameOf(installation, diskId),
      labels: {
        "app.kubernetes.io/name": "microterm",
        "app.kubernetes.io/component": "disk",
        [LABELS.installation]: installation,
        [LABELS.disk]: diskId,
      },
    },
    spec: {
      accessModes: ["ReadWriteOnce"],
      ...(storageClass === null ? {} : { storageClassName: storageClass }),
      resources: { requests: { storage: `${sizeMib}Mi` } },
    },
  };
}

/** Of all claims of an installation, and perhaps of others that bear its labels. */
export const claimSelectorOf = (installation: string): string =>
  `${LABELS.installation}=${installation},${LABELS.disk}`;

/** Null of a claim that is not of this installation, whatever it bears. */
export function diskIdOf({ metadata }: V1PersistentVolumeClaim, installation: string): string | null {
  const diskId = metadata?.labels?.[LABELS.disk] ?? "";
  return metadata?.name === claimNameOf(installation, diskId) ? diskId : null;
}

/** Whether a pod has a claim, or had it: it goes with the pod alone. */
export const usesClaim = ({ spec }: V1Pod, name: string): boolean =>
  spec?.volumes?.some(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === name) === true;
