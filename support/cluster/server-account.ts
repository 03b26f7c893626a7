import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "./cluster.ts";
import { kubeconfig } from "./files.ts";

const NAME = "microterm-server";
/** All that the driver asks of a cluster (`cluster-api.ts`), verb by verb. */
const RULES = [
  { apiGroups: [""], resources: ["pods"], verbs: ["create", "get", "list", "watch", "patch", "delete"] },
  { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
  { apiGroups: [""], resources: ["secrets"], verbs: ["create", "delete"] },
  { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs: ["create", "list", "patch", "delete"] },
];

/** Makes an account with the rights of a server, in the namespace `default`. Resolves with the path of a kubeconfig of it. */
export async function makeServerAccount({ folder, kubectl }: Cluster): Promise<string> {
  const role = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: NAME };
  const objects = [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: NAME } },
    { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata: { name: NAME }, rules: RULES },
    {
      ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", metadata: { name: NAME }, roleRef: role },
      subjects: [{ kind: "ServiceAccount", name: NAME, namespace: "default" }],
    },
  ];
  const file = join(folder, "server-account.json");
  await writeFile(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
  await kubectl("apply", "--filename", file);
  const token = (await kubectl("create", "token", NAME, "--duration", "24h")).trim();
  const path = join(folder, "server-kubeconfig");
  await writeFile(path, await kubeconfig(folder, token), { mode: 0o600 });
  return path;
}
