import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";

/** On a file system of its own, which it fills. */
const SCRIPT = `
  import { writeFileSync } from "node:fs";
  import { SYSTEM } from "@microterm/core";
  import { accountRow, auditRow, environmentRow } from "@microterm/core/testing";
  import { createSqliteStorage } from "@microterm/storage";
  const [folder] = process.argv.slice(-1);
  const storage = await createSqliteStorage({ path: folder + "/microterm.db" });
  await storage.accounts.insert(accountRow("annannann", "2026-11-22T10:00:00.000Z"));
  const environment = environmentRow({ id: "aaaa00000000" });
  await storage.environments.insert(environment);
  const row = () => auditRow(Date.now(), { detail: { path: "x".repeat(4000) } });
  for (let count = 0; count < 500; count += 1) await storage.audit.append(row());
  for (let size = 65536, at = 0; size >= 1; at += 1) {
    try { writeFileSync(folder + "/fill" + at, Buffer.alloc(size)); } catch { size = Math.floor(size / 2); }
  }
  let code = null;
  for (let count = 0; code === null && count < 5000; count += 1) await storage.audit.append(row()).catch((error) => (code = error.code));
  const receipt = { environment: environment.id, name: environment.name, destroyedAt: new Date().toISOString(), cause: "request", removed: {}, left: [] };
  await storage.transaction(async ({ environments, audit }) => {
    await environments.transition(environment.id, ["running"], "destroying");
    await audit.append(row());
  });
  await storage.environments.finish(environment.id, environment.owner, receipt);
  const fill = () => storage.transaction(async ({ audit }) => { for (let count = 0; count < 5000; count += 1) await audit.append(row()); });
  const filled = await fill().catch((error) => error.code);
  console.log(code, filled, (await storage.environments.list(SYSTEM)).length);
  await storage.close();
`;

it("refuses entries of the audit log on a full disk before there is no space to remove an environment", () => {
  const folder = mkdtempSync(join(tmpdir(), "microterm-full-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const inside = 'mount -t tmpfs -o size=12m tmpfs "$1" && exec "$2" --input-type=module --eval "$3" "$1"';
  const args = ["--user", "--map-root-user", "--mount", "sh", "-c", inside, "sh", folder, process.execPath, SCRIPT];
  expect(execFileSync("unshare", args, { cwd: import.meta.dirname, encoding: "utf8" })).toBe(
    "HOST_OUT_OF_DISK HOST_OUT_OF_DISK 0\n",
  );
});
