import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@microterm/host";

/** Addresses of a cluster's own network namespace, which nothing leaves. */
const NODE = "10.99.0.1";
/** Public, as in clouds. */
const API = "9.9.9.8";
const PODS = "10.99.128.0/17";
const SERVICES = "10.98.0.0/16";
/** The node's end of the link to a host that is outside of the cluster, and the host's. */
const GATEWAY = "10.97.0.1";
const OUTSIDE = "10.97.0.2";
/** Of all who may do anything. The API server is reached in the cluster's namespaces alone. */
const TOKEN = "microterm-test-admin";

/** For `init.sh`. */
export const ADDRESSES = {
  CLUSTER_NODE: NODE,
  CLUSTER_API: API,
  CLUSTER_SERVICES: SERVICES,
  CLUSTER_GATEWAY: GATEWAY,
  CLUSTER_OUTSIDE: OUTSIDE,
} as const;
const SERVER = `https://${NODE}:6443`;
export const PAUSE_IMAGE = "microterm.test/pause:1";

/** Writes what the programs of a cluster in `folder` are started with. */
export async function writeClusterFiles(folder: string, cgroup: string): Promise<void> {
  const write = (name: string, text: string) => writeFile(join(folder, name), text, { mode: 0o600 });
  await mkdir(join(folder, "cni"));
  await makeKeys(folder);
  await Promise.all([
    write("tokens.csv", `${TOKEN},admin,admin,system:masters\n`),
    write("kubeconfig", await kubeconfig(folder, TOKEN)),
    write("kubelet.yaml", kubeletConfiguration(folder, cgroup)),
    write("containerd.toml", containerdConfiguration(folder)),
    write("audit.yaml", AUDIT),
    write("cni/10-bridge.conflist", networkConfiguration()),
  ]);
}

async function makeKeys(folder: string): Promise<void> {
  const openssl = async (...args: readonly string[]) => {
    const { code, stderr } = await runCommand(["openssl", ...args], { cwd: folder });
    if (code !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
  };
  const names = `subjectAltName=IP:${NODE},IP:127.0.0.1,DNS:kubernetes.default.svc`;
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
  await openssl(
    "req",
    "-x509",
    ...key,
    "-subj",
    "/CN=microterm-test",
    "-addext",
    names,
    "-keyout",
    "api.key",
    "-out",
    "api.crt",
  );
  await openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "accounts.key");
  await chmod(join(folder, "accounts.key"), 0o600);
}

/** Of the cluster in that folder, for who has this token. */
export async function kubeconfig(folder: string, token: string): Promise<string> {
  const authority = await readFile(join(folder, "api.crt"), "base64");
  return `apiVersion: v1
kind: Config
current-context: test
clusters: [{ name: test, cluster: { server: "${SERVER}", certificate-authority-data: ${authority} } }]
users: [{ name: user, user: { token: "${token}" } }]
contexts: [{ name: test, context: { cluster: test, user: user } }]
`;
}

/** What servers ask for, whose accounts are those of the namespace `default`. */
const AUDIT = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: ["system:serviceaccounts:default"]
  - level: None
`;

/** Who reaches the kubelet is in the cluster's namespace, and may do all there anyway. */
const kubeletConfiguration = (folder: string, cgroup: string) => `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /${cgroup}
# Containers alone are limited: a group for all pods would be given the processors that the node counts, and has not.
cgroupsPerQOS: false
enforceNodeAllocatable: []
containerRuntimeEndpoint: unix://${folder}/containerd.sock
authentication: { anonymous: { enabled: true }, webhook: { enabled: false } }
authorization: { mode: AlwaysAllow }
failSwapOn: false
makeIPTablesUtilChains: false
# The machine's disk is others' as well.
evictionHard: { memory.available: 0%, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%, imagefs.inodesFree: 0% }
imageGCHighThresholdPercent: 100
# As soon as it may.
nodeStatusUpdateFrequency: 2s
syncFrequency: 20s
`;

const containerdConfiguration = (folder: string) => `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "${folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    # The class of virtual machines is one of containers here: none of these hosts could run it.
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
      runtime_type = "io.containerd.runc.v2"
`;

const networkConfiguration = () =>
  JSON.stringify({
    cniVersion: "0.4.0",
    name: "pods",
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        ipam: { type: "host-local", ranges: [[{ subnet: PODS }]], routes: [{ dst: "0.0.0.0/0" }] },
      },
    ],
  });
