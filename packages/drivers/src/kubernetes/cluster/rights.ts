export interface Right {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verbs: readonly string[];
  /** Of the namespace of the pods, or of the whole cluster. */
  readonly scope: "namespace" | "cluster";
  /** Of objects of this name alone. */
  readonly name?: string;
}

/** Its Service, and the EndpointSlice of that, in every cluster. */
export const API_SERVER = "kubernetes";
const NETWORKING = "networking.k8s.io";

/** All that is asked of a cluster (`cluster-api.ts`) where homes end with their pods, verb by verb. */
const POD_RIGHTS: readonly Right[] = [
  {
    ...{ group: "", resource: "pods", scope: "namespace" },
    verbs: ["create", "get", "list", "watch", "patch", "delete"],
  },
  { group: "", resource: "pods", subresource: "log", scope: "namespace", verbs: ["get"] },
  { group: "", resource: "secrets", scope: "namespace", verbs: ["create", "delete"] },
  {
    ...{ group: NETWORKING, resource: "networkpolicies", scope: "namespace" },
    verbs: ["create", "list", "patch", "delete"],
  },
  { group: "", resource: "nodes", scope: "cluster", verbs: ["get", "list"] },
  { group: "discovery.k8s.io", resource: "endpointslices", scope: "cluster", name: API_SERVER, verbs: ["get"] },
];

/** What is asked of it besides where homes are kept. */
const VOLUME_RIGHTS: readonly Right[] = [
  {
    ...{ group: "", resource: "persistentvolumeclaims", scope: "namespace" },
    verbs: ["create", "get", "list", "delete"],
  },
  // Why a claim has no volume.
  { group: "", resource: "events", scope: "namespace", verbs: ["list"] },
  { group: "storage.k8s.io", resource: "storageclasses", scope: "cluster", verbs: ["get"] },
];

export const rightsOf = ({ hasVolumes }: { readonly hasVolumes: boolean }): readonly Right[] =>
  hasVolumes ? [...POD_RIGHTS, ...VOLUME_RIGHTS] : POD_RIGHTS;

/** `pods/log`, as rules of roles have it. */
export const nameOfResource = ({ resource, subresource }: Right): string =>
  subresource === undefined ? resource : `${resource}/${subresource}`;
