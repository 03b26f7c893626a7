/** Looks on by many grants at once, and acknowledges all that comes. */
import { parentPort, workerData } from "node:worker_threads";
import type { TestServer } from "../support/server.ts";
import { look } from "../support/sharing.ts";

const { url, grants } = workerData as { url: string; grants: readonly (readonly [string, string])[] };
const server = { url } as TestServer;
const clients = grants.map(([grant, headers]) =>
  look(server, { grant, headers: JSON.parse(headers), accepted: undefined as never }, { keep: false }),
);
await Promise.all(clients.map((client) => client.opened()));
parentPort?.postMessage("ready");
