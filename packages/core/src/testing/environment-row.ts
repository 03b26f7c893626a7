import { EnvironmentId, OwnerId } from "@microterm/protocol";
import type { EnvironmentRow } from "../ports/repository.ts";

/** An environment that runs, as storage keeps it, but for what `over` says. Its disk has its name. */
export function environmentRow(over: Partial<EnvironmentRow> = {}): EnvironmentRow {
  const id = over.id ?? EnvironmentId.parse("a".repeat(12));
  return {
    id,
    name: "calm-otter",
    owner: OwnerId.parse("annannann"),
    state: "running",
    operation: null,
    step: null,
    interruptions: 0,
    reason: null,
    driver: "qemu",
    memoryMib: 512,
    cpus: 1,
    diskMib: 2048,
    limits: { cpuQuotaPercent: null, cpuWeight: null, diskMibPerSecond: null, diskOperationsPerSecond: null },
    size: "medium",
    machineId: null,
    diskId: id,
    image: null,
    network: null,
    sharedNetwork: null,
    snapshotId: null,
    idleTimeoutSeconds: null,
    expiresAt: null,
    runningSince: null,
    createdAt: "2026-11-22T10:00:00.000Z",
    server: null,
    epoch: 0,
    ...over,
  };
}
