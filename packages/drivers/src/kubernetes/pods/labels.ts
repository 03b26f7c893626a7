/** By which objects are found. */
export const LABELS = {
  installation: "microterm.dev/installation",
  machine: "microterm.dev/machine",
  environment: "microterm.dev/environment",
  /** Of claims alone. */
  disk: "microterm.dev/disk",
} as const;

/** An annotation of a pod and of its policy: the epoch of the server that holds the machine (`cluster/fence.ts`). */
export const EPOCH = "microterm.dev/epoch";
