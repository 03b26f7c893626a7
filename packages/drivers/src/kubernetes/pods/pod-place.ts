import type { VolumeSettings } from "../volumes/claim-objects.ts";

/** Where pods are made, and of what. */
export interface PodPlace {
  /** How the cluster is reached; null: this process is one of its pods. */
  readonly kubeConfigFile: string | null;
  readonly namespace: string;
  readonly image: string;
  /** Null: the cluster's own runtime. */
  readonly runtimeClass: string | null;
  /** How many times CPUs are promised: a pod asks for so much less than it may use. 1: for all of it. */
  readonly cpuOvercommit: number;
  /** What homes are kept on while there is no pod; null: they end with it. */
  readonly volumes: VolumeSettings | null;
}

/** No class may be called so in most clusters, and some are called `default`. */
const CLUSTER_DEFAULT = "cluster-default";

/** What `--storage-class` means; empty: no volumes. */
export function volumesOf(storageClass: string): VolumeSettings | null {
  if (storageClass === "") return null;
  return { storageClass: storageClass === CLUSTER_DEFAULT ? null : storageClass };
}
