import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nameOfResource, type Right, rightsOf } from "@microterm/drivers";
import type { Cluster } from "./cluster.ts";
import { kubeconfig } from "./files.ts";

const NAME = "microterm-server";
const GROUP = "rbac.authorization.k8s.io";
/** Of roles: a server's, and no others. */
export const rulesOfScope = (scope: Right["scope"], wanted: { readonly hasVolumes: boolean }) =>
  rightsOf(wanted)
    .filter((right) => right.scope === scope)
    .map((right) => ({
      apiGroups: [right.group],
      resources: [nameOfResource(right)],
      ...(right.name === undefined ? {} : { resourceNames: [right.name] }),
      verbs: right.verbs,
    }));
const rulesOf = (scope: Right["scope"]) => rulesOfScope(scope, { hasVolumes: true });

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
    own("Role", { rules: rulesOf("namespace") }),
    own("RoleBinding", { roleRef: { apiGroup: GROUP, kind: "Role", name: NAME }, subjects }),
    own("ClusterRole", { rules: rulesOf("cluster") }),
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
