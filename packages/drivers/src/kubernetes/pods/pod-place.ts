/** Where pods are made, and of what. */
export interface PodPlace {
  /** How the cluster is reached; null: this process is one of its pods. */
  readonly kubeConfigFile: string | null;
  readonly namespace: string;
  readonly image: string;
  /** Null: the cluster's own runtime. */
  readonly runtimeClass: string | null;
}
