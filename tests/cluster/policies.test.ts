import { createSocket } from "node:dgram";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { decode } from "dns-packet";
import { afterAll, beforeAll, expect, it } from "vitest";
import { kubectl } from "../../support/cluster/in-cluster.ts";
import { addressOf, reply } from "../../support/name-upstream.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

/** Of the internet, which is this host. */
const PUBLIC = "9.9.9.9";
const OTHER = "9.9.9.10";
/** This host's own, which the operator opens, and one that is not. */
const OPENED = "10.97.0.2";
const PRIVATE = "10.97.0.3";
/** The node's, with the API server. */
const NODE = "10.99.0.1";
/** The one under which the API server is known, as the cloud's. */
const API_SERVER = "9.9.9.8";
const PORT = 8000;

const MAIN = join(import.meta.dirname, "../../packages/server/src/main.ts");
/** The name servers of a command's host. */
const beside = (resolvConf: string): readonly string[] => [
  ...["unshare", "--mount", "--propagation", "private", "--"],
  ...["sh", "-c", 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"', "sh", resolvConf],
];

let folder: TempFolder;
let server: TestServer;
let id: string;
let pod: string;
const listener = createServer((socket) => socket.destroy());
const names = createSocket("udp4");

beforeAll(async () => {
  folder = await makeTempFolder();
  const resolvConf = join(folder.path, "resolv.conf");
  await writeFile(resolvConf, "nameserver 127.0.0.1\n", { mode: 0o644 });
  for (const address of [PUBLIC, OTHER, PRIVATE]) await run("ip", "address", "add", `${address}/32`, "dev", "lo");
  listener.listen(PORT, "0.0.0.0");
  names.on("message", (message, { port, address }) => {
    const query = decode(message);
    const name = query.questions?.[0]?.name ?? "";
    names.send(reply(query, [addressOf(name, name.startsWith("node.") ? NODE : PUBLIC)]), port, address);
  });
  names.bind(53, "127.0.0.1");
  server = await startServer({
    args: ["--allow-private", `${OPENED},${NODE}`],
    command: (args) => [...beside(resolvConf), process.execPath, MAIN, ...args],
  });
  ({ id } = await server.environment());
  const selector = ["--selector", `microterm.dev/environment=${id}`];
  pod = (await kubectl("get", "pods", ...selector, "--output", "jsonpath={.items[*].metadata.name}")).trim();
});

afterAll(async () => {
  await server?.dispose();
  listener.close();
  names.close();
  for (const address of [PUBLIC, OTHER, PRIVATE]) await run("ip", "address", "delete", `${address}/32`, "dev", "lo");
  await folder.remove();
});

async function file(object: unknown): Promise<string> {
  const path = join(folder.path, "object.json");
  await writeFile(path, JSON.stringify(object));
  return path;
}

async function run(...command: readonly string[]): Promise<void> {
  const { code, stderr } = await runCommand(command);
  if (code !== 0) throw new Error(stderr);
}

/** Whether a program in the environment's pod connects to a host, by its address or its name. */
async function reaches(host: string, port = PORT): Promise<boolean> {
  const attempt = `timeout 3 bash -c 'exec 3<>/dev/tcp/${host}/${port}' 2>/dev/null && echo yes || echo no`;
  const said = await kubectl("exec", pod, "--container", "environment", "--", "sh", "-c", attempt);
  return said.trim() === "yes";
}

const change = (network: unknown) => server.call("PATCH", `/v1/environments/${id}`, { body: { network } });

it("open is the internet and what the operator has opened, and nothing of the cluster's", async () => {
  expect((await server.ok("GET", `/v1/environments/${id}`)).network).toEqual({ mode: "open" });
  await expect.poll(() => reaches(PUBLIC)).toBe(true);
  expect(await reaches(OPENED)).toBe(true);
  for (const address of [PRIVATE, "169.254.169.254"]) expect(await reaches(address)).toBe(false);
  for (const address of [NODE, API_SERVER]) expect(await reaches(address, 6443)).toBe(false);
});

it("knows names, of which none leads into the cluster", async () => {
  expect(await reaches("www.example.org")).toBe(true);
  await expect(
    kubectl("exec", pod, "--container", "environment", "--", "getent", "hosts", "node.example.org"),
  ).rejects.toThrow();
});

it("a policy is changed while it runs: an allowlist has what it names, and none has nothing", async () => {
  expect((await change({ mode: "allowlist", allow: [{ cidr: PUBLIC, ports: [PORT] }] })).status).toBe(200);
  await expect.poll(() => reaches(OTHER)).toBe(false);
  expect(await reaches(PUBLIC)).toBe(true);
  expect(await reaches(OPENED)).toBe(false);
  expect((await change({ mode: "none" })).status).toBe(200);
  await expect.poll(() => reaches(PUBLIC)).toBe(false);
  // The server still comes in.
  expect((await server.ok("GET", `/v1/environments/${id}`)).state).toBe("running");
});

it("a node that joins is excepted from what was open before, for as long as it is there", async () => {
  expect((await change({ mode: "allowlist", allow: [{ cidr: "9.9.9.0/24" }] })).status).toBe(200);
  await expect.poll(() => reaches(OTHER)).toBe(true);
  await kubectl("create", "--filename", await file({ apiVersion: "v1", kind: "Node", metadata: { name: "joined" } }));
  try {
    const status = JSON.stringify({ status: { addresses: [{ type: "ExternalIP", address: OTHER }] } });
    await kubectl("patch", "node", "joined", "--subresource=status", "--type=merge", "--patch", status);
    await expect.poll(() => reaches(OTHER), { timeout: 60_000 }).toBe(false);
    expect(await reaches(PUBLIC)).toBe(true);
    expect(await reaches(API_SERVER, 6443)).toBe(false);
  } finally {
    await kubectl("delete", "node", "joined");
  }
  await expect.poll(() => reaches(OTHER), { timeout: 60_000 }).toBe(true);
  expect((await change({ mode: "none" })).status).toBe(200);
});

it("has neither domains nor shared networks, and says so", async () => {
  const named = await change({ mode: "allowlist", allow: [{ domain: "www.example.org" }] });
  expect([named.status, named.json.code, named.json.detail]).toEqual([
    409,
    "UNSUPPORTED",
    expect.stringContaining("domain"),
  ]);
  expect((await server.ok("GET", `/v1/environments/${id}`)).network).toEqual({ mode: "none" });
  const shared = await server.call("POST", "/v1/networks", { body: { name: "team" } });
  expect([shared.json.code, shared.json.detail]).toEqual(["UNSUPPORTED", expect.stringContaining("share no networks")]);
});
