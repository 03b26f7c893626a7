import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { dataPaths } from "../data/paths.ts";
import { runningServer, serverProcess } from "./server-process.ts";

let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "mt-server-"));
  mkdirSync(join(data, "server"));
});
afterAll(async () => {
  await rm(data, { recursive: true, force: true });
});

const write = (server: object) => writeFileSync(join(data, "server/server.json"), JSON.stringify(server));

it("a server that is too busy to answer is there all the same; another process is none", async () => {
  const paths = dataPaths(data);
  const deaf = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(deaf, "listening");
  const { port } = deaf.address() as { port: number };
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", "serve", "--", data]);
  await once(child, "spawn");
  const server = { url: `http://127.0.0.1:${port}`, pid: child.pid, startedAt: new Date().toISOString() };
  write(server);
  expect(serverProcess(paths)).toEqual({ ...server, token: "" });
  writeFileSync(join(data, "server/token"), "secret\n");
  expect(serverProcess(paths)?.token).toBe("secret");
  expect(await runningServer(paths)).toBeNull();
  for (const wrong of [
    { pid: 1 },
    { pid: process.pid },
    { pid: -1 },
    { url: "http://192.0.2.1:1" },
    { startedAt: "\u001b[2J" },
  ]) {
    write({ ...server, ...wrong });
    expect(serverProcess(paths), JSON.stringify(wrong)).toBeNull();
  }
  child.kill();
  deaf.close();
});
