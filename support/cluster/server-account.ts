import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import { kubeconfig } from "./files.ts";

const NAME = "microterm-server";
const GROUP = "rbac.authorization.k8s.io";
/** All that the driver asks of a cluster (`cluster-api.ts`), verb by verb. */
const RULES = [
  { apiGroups: [""], resources: ["pods"], verbs: ["create", "get", "list", "watch", "patch", "delete"] },
  { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
  { apiGroups: [""], resources: ["secrets"], verbs: ["create", "delete"] },
  { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs: ["create", "list", "patch", "delete"] },
];
/** Nodes belong to no namespace. */
const CLUSTER_RULES = [{ apiGroups: [""], resources: ["nodes"], verbs: ["get", "list"] }];

/** Makes an account with the rights of a server, in the namespace `default`. Resolves with the path of a kubeconfig of it. */
export async function makeServerAccount({ folder, kubectl }: Cluster): Promise<string> {
  const own = (kind: string, parts: object) => ({
    apiVersion: `${GROUP}/v1`,
    kind,
    metadata: { name: NAME },
    ...parts,
  });
  const subjects = [{ kind: "ServiceAccount", name: NAME, namespace: "default" }];
  const objects = [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: NAME } },
    own("Role", { rules: RULES }),
    own("RoleBinding", { roleRef: { apiGroup: GROUP, kind: "Role", name: NAME }, subjects }),
    own("ClusterRole", { rules: CLUSTER_RULES }),
    own("ClusterRoleBinding", { roleRef: { apiGroup: GROUP, kind: "ClusterRole", name: NAME }, subjects }),
  ];
  const file = join(folder, "server-account.json");
  await writeFile(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
  await kubectl("apply", "--filename", file);
  const token = (await kubectl("create", "token", NAME, "--duration", "24h")).trim();
  const path = join(folder, "server-kubeconfig");
  await writeFile(path, await kubeconfig(folder, token), { mode: 0o600 });
  return path;
}
