export interface Right {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verbs: readonly string[];
  /** Of the namespace of the pods, or of the whole cluster. */
  readonly scope: "namespace" | "cluster";
}

const NETWORKING = "networking.k8s.io";

/** All that is asked of a cluster (`cluster-api.ts`), verb by verb. */
export const RIGHTS: readonly Right[] = [
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
];

/** `pods/log`, as rules of roles have it. */
export const nameOfResource = ({ resource, subresource }: Right): string =>
  subresource === undefined ? resource : `${resource}/${subresource}`;
