/** By which objects are found. */
export const LABELS = {
  installation: "microterm.dev/installation",
  machine: "microterm.dev/machine",
  environment: "microterm.dev/environment",
  /** Of claims alone. */
  disk: "microterm.dev/disk",
} as const;
