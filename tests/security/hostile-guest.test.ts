import { join } from "node:path";
import { actorOf, createDriverRegistry, createEnvironmentService, type EnvironmentService } from "@microterm/core";
import { accountRow, auditLogOf, systemClock, systemRandom } from "@microterm/core/testing";
import { createQemuDriver, proveKvm } from "@microterm/drivers";
import { createLoopbackNetwork } from "@microterm/networks";
import { OwnerId } from "@microterm/protocol";
import { createSqliteStorage } from "@microterm/storage";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scanMachines } from "../../support/host-scan.ts";
import { buildHostileImage } from "../../support/hostile-image.ts";
import { createQuietLog } from "../../support/quiet-log.ts";
import { startTestDaemon, type TestDaemon } from "../../support/test-daemon.ts";
import { hostOptions } from "../../support/vm-harness.ts";

const OWNER = actorOf({ id: OwnerId.parse("annannann"), role: "member" });
/** Passes in vain, twice: long enough for a busy host to bring each of them up to its first line. */
const BOOT_DEADLINE_MS = 25_000;
/** Removing both machines of three environments, on a busy host. */
const SLACK_MS = 120_000;
const PROOF_DEADLINE_MS = 6_000;

let image: Awaited<ReturnType<typeof buildHostileImage>>;
let daemon: TestDaemon;
let service: EnvironmentService;
let close: () => Promise<void>;
const log = createQuietLog();

beforeAll(async () => {
  image = await buildHostileImage();
  daemon = await startTestDaemon({ image });
  const storage = await createSqliteStorage({ path: join(daemon.data, "microterm.db") });
  await storage.accounts.insert(accountRow(OWNER.owner, "2026-11-22T10:00:00.000Z"));
  const driver = createQemuDriver({ ...hostOptions(daemon), log });
  service = createEnvironmentService({
    storage,
    audit: auditLogOf(storage),
    drivers: createDriverRegistry({ default: driver }),
    network: createLoopbackNetwork(),
    clock: systemClock,
    random: systemRandom,
    log,
    limits: { bootDeadlineMs: BOOT_DEADLINE_MS },
  });
  await service.recover();
  close = async () => {
    await service.close();
    await storage.close();
  };
});
afterAll(async () => {
  await close();
  await daemon.close();
  await image.remove();
});

describe("a guest whose PID 1 means ill", () => {
  it("ends in failed, with a reason, after one visible retry, whatever it does on the channel", async () => {
    const reasons = new Map<string, string[]>();
    const looking = service.subscribe((change) => {
      if (change.kind !== "changed") return;
      void service.get(OWNER, change.id).then(
        ({ reason }) => reasons.set(change.id, [...(reasons.get(change.id) ?? []), reason ?? ""]),
        () => undefined,
      );
    });
    const ends = await Promise.all(
      (
        [
          ["silent", 128],
          ["garbage", 160],
          ["echo", 224],
        ] as const
      ).map(async ([name, memoryMib]) => {
        const { id } = await service.create(OWNER, { name, memoryMib, diskMib: 64 });
        return service.wait(OWNER, id, { states: ["running", "failed"], timeoutMs: 2 * BOOT_DEADLINE_MS + SLACK_MS });
      }),
    );
    looking();
    for (const environment of ends) {
      expect(environment).toMatchObject({ state: "failed", terminals: [] });
      expect(environment?.reason).toMatch(/25 s|did not answer|broke|connection|invalid/);
      const seen = reasons.get(environment?.id ?? "") ?? [];
      expect(seen.filter((reason) => reason.includes("second attempt")).length, seen.join("; ")).toBeGreaterThan(0);
      // What it had printed is kept.
      const console = Buffer.from(await service.console(OWNER, environment?.id ?? "")).toString("latin1");
      expect(console).toContain("hostile-init: up");
    }
    // The disks stay; nothing else does.
    const left = await scanMachines(daemon);
    expect([...left].sort()).toEqual(ends.map((one) => `disk ${one?.id}.ext4`).sort());
    for (const environment of ends) {
      expect((await service.destroy(OWNER, environment?.id ?? "")).left).toEqual([]);
    }
    expect(await scanMachines(daemon)).toEqual([]);
  });
});

describe("the proof of KVM", () => {
  it("ends in emulation, with the reason, for a guest that boots and never answers", async () => {
    const { machinesDir, client } = daemon;
    const verdict = await proveKvm({ daemon: client, machinesDir, image: image.key, deadlineMs: PROOF_DEADLINE_MS });
    expect(verdict).toMatchObject({ accelerator: "tcg" });
    expect(verdict.reason).toMatch(/^\/dev\/kvm does not work here: ./);
    expect(await scanMachines(daemon)).toEqual([]);
  });
});
