import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SYSTEM } from "@microterm/core";
import { acquireServerLock, createSqliteStorage } from "@microterm/storage";
import { expect, it, onTestFinished } from "vitest";

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "microterm-kill-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A Node process of its own that runs `code` and says "done" when it has; it stays until it is killed. */
async function run(code: string): Promise<ChildProcess> {
  const script = `import * as storage from "@microterm/storage"; ${code}; console.log("done"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { cwd: import.meta.dirname });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const [said] = await Promise.race([once(child.stdout, "data"), once(child.stderr, "data")]);
  expect(String(said)).toBe("done\n");
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

it("refuses the server's lock while another process holds it, and is free when that is killed with -9", async () => {
  const path = join(scratch(), "server.lock");
  const holder = await run(`storage.acquireServerLock(${JSON.stringify(path)})`);
  expect(() => acquireServerLock(path)).toThrow(expect.objectContaining({ code: "ENVIRONMENT_STATE" }));
  await kill(holder);
  acquireServerLock(path).release();
});

it("keeps every change that was answered when the process is killed with -9", async () => {
  const path = join(scratch(), "microterm.db");
  const writer = await run(
    `const db = await storage.createSqliteStorage({ path: ${JSON.stringify(path)} });
     await db.accounts.ensureDataFolderAccount("annannann", "2026-11-22T10:00:00.000Z");
     await db.environments.insert({ id: "aaaa00000000", name: "one", owner: "annannann", state: "creating", reason: null,
       driver: "process", memoryMib: 512, cpus: 1, diskMib: 2048, limits: {}, machineId: null, createdAt: "2026-11-22T10:00:00.000Z" });
     await db.environments.transition("aaaa00000000", ["creating"], "running")`,
  );
  await kill(writer);
  const storage = await createSqliteStorage({ path });
  onTestFinished(() => storage.close());
  expect(await storage.environments.list(SYSTEM)).toMatchObject([{ name: "one", state: "running" }]);
});
