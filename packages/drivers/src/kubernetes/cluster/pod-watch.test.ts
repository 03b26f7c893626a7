import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { V1Pod } from "@kubernetes/client-node";
import { expect, it, onTestFinished, vi } from "vitest";
import { createQuietLog } from "../../../../../support/quiet-log.ts";
import { ClusterApi } from "./cluster-api.ts";

const NAME = "mt-aaaaaaaaaaaaaaaa";

const pod = (resourceVersion: string, phase: string): V1Pod => ({
  metadata: {
    ...{ name: NAME, namespace: "default", uid: "u", resourceVersion },
    managedFields: [{ manager: "kubelet", operation: "Update" }],
  },
  status: { phase },
});

/** The pods of an API server: what it lists, and its watches, which the test writes to. */
class ScriptedApi {
  listed: readonly V1Pod[] = [];
  version = "1";
  readonly watches: { readonly from: string | null; readonly response: ServerResponse }[] = [];
  lists = 0;
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const query = new URL(request.url ?? "", this.url).searchParams;
      response.setHeader("content-type", "application/json");
      if (query.get("watch") === "true") {
        response.flushHeaders();
        this.watches.push({ from: query.get("resourceVersion"), response });
        return;
      }
      this.lists += 1;
      const metadata = { resourceVersion: this.version };
      response.end(JSON.stringify({ apiVersion: "v1", kind: "PodList", metadata, items: this.listed }));
    });
    this.#server = server;
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as { port: number }).port;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    const closed = this.#server === undefined ? undefined : once(this.#server, "close");
    this.#server?.close();
    await closed;
  }

  send(type: string, object: unknown): void {
    this.watches.at(-1)?.response.write(`${JSON.stringify({ type, object })}\n`);
  }
}

async function connect(api: ScriptedApi): Promise<ClusterApi> {
  await api.start();
  const folder = mkdtempSync(join(tmpdir(), "microterm-watch-"));
  const kubeConfigFile = join(folder, "kubeconfig");
  writeFileSync(
    kubeConfigFile,
    JSON.stringify({
      ...{ apiVersion: "v1", kind: "Config", "current-context": "c", users: [{ name: "u", user: {} }] },
      clusters: [{ name: "c", cluster: { server: api.url, "insecure-skip-tls-verify": true } }],
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    }),
  );
  const cluster = await ClusterApi.connect({
    ...{ kubeConfigFile, namespace: "default", selector: "a=b", log: createQuietLog() },
  });
  onTestFinished(async () => {
    cluster.close();
    await api.stop();
    rmSync(folder, { recursive: true });
  });
  return cluster;
}

/** What a listener is told, as phases; null: the pod has gone. */
function followed(cluster: ClusterApi): (string | null)[] {
  const told: (string | null)[] = [];
  cluster.pods.follow(NAME, (state) => told.push(state?.status?.phase ?? null));
  return told;
}

const soon = { timeout: 45_000 };

it("goes on where a watch has ended without a word, and keeps no managed fields", async () => {
  const api = new ScriptedApi();
  api.listed = [pod("1", "Pending")];
  const { pods } = await connect(api);
  await vi.waitFor(() => expect(api.watches).toHaveLength(1), soon);
  api.send("MODIFIED", pod("7", "Running"));
  await vi.waitFor(() => expect(pods.get(NAME)?.status?.phase).toBe("Running"), soon);
  expect(pods.get(NAME)?.metadata?.managedFields).toBeUndefined();
  api.watches[0]?.response.end();
  await vi.waitFor(() => expect(api.watches.map(({ from }) => from)).toEqual(["1", "7"]), soon);
  expect(api.lists).toBe(1);
});

it("lists again what it has missed for too long, and tells of what has gone meanwhile", async () => {
  const api = new ScriptedApi();
  api.listed = [pod("1", "Running")];
  const cluster = await connect(api);
  const told = followed(cluster);
  await vi.waitFor(() => expect(api.watches).toHaveLength(1), soon);
  api.listed = [];
  api.version = "90";
  api.send("ERROR", { kind: "Status", code: 410 });
  api.watches[0]?.response.end();
  await vi.waitFor(() => expect(told).toEqual([null]), soon);
  await vi.waitFor(() => expect(api.watches.at(-1)?.from).toBe("90"), soon);
});

it("says why it follows nothing while the cluster is away, and follows it again afterwards", async () => {
  const api = new ScriptedApi();
  api.listed = [pod("1", "Running")];
  const cluster = await connect(api);
  expect(cluster.pods.problem).toBeNull();
  await vi.waitFor(() => expect(api.watches).toHaveLength(1), soon);
  await api.stop();
  await vi.waitFor(() => expect(cluster.pods.problem).not.toBeNull(), soon);
  const told = followed(cluster);
  await api.start();
  await vi.waitFor(() => expect(cluster.pods.problem).toBeNull(), soon);
  api.send("DELETED", pod("9", "Running"));
  await vi.waitFor(() => expect(told).toContain(null), soon);
});
