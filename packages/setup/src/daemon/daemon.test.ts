import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DataPaths, dataPaths } from "../data/paths.ts";
import { runningServer } from "../server/server-process.ts";
import { connect } from "./daemon.ts";

const NOBODY = 65_534;

let paths: DataPaths;
beforeEach(async () => {
  paths = dataPaths(await mkdtemp(join(tmpdir(), "mt-daemon-")));
  chmodSync(paths.data, 0o711);
  mkdirSync(join(paths.host, "run"), { recursive: true });
  mkdirSync(paths.server, { mode: 0o700 });
});
afterEach(() => rm(paths.data, { recursive: true }));

/** As somebody else than root, from the system's view. */
async function asNobody<T>(action: () => Promise<T>): Promise<T> {
  process.seteuid?.(NOBODY);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
  }
}

describe.runIf(process.getuid?.() === 0)("what runs for another user", () => {
  it("is not taken for absent: a daemon is not waited for, but reported", async () => {
    expect(await connect(paths)).toBeNull();
    const daemon = createServer();
    await new Promise<void>((resolve) => daemon.listen(paths.daemonSocket, resolve));
    chmodSync(paths.daemonSocket, 0o600);
    await expect(asNobody(() => connect(paths))).rejects.toMatchObject({
      message: expect.stringContaining(paths.data),
      hint: expect.stringContaining(`sudo ./microterm down --data ${paths.data}`),
    });
    daemon.close();
  });

  it("is not taken for absent: a server's address may not be read", async () => {
    expect(await runningServer(paths)).toBeNull();
    writeFileSync(join(paths.server, "server.json"), "{}", { mode: 0o600 });
    await expect(asNobody(() => runningServer(paths))).rejects.toMatchObject({ code: "EACCES" });
  });
});
