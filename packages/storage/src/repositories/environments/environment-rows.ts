import type { EnvironmentPatch, EnvironmentRow, EnvironmentTimes, LimitChoices } from "@microterm/core";
import { type EnvironmentId, type MachineId, type NetworkId, NetworkPolicy, type OwnerId } from "@microterm/protocol";
import type { Selectable, Updateable } from "kysely";
import type { EnvironmentsTable } from "../../schema.ts";

export function toRow(stored: Selectable<EnvironmentsTable>): EnvironmentRow {
  return {
    id: stored.id as EnvironmentId,
    name: stored.name,
    owner: stored.owner as OwnerId,
    state: stored.state,
    operation: stored.operation,
    step: stored.step,
    interruptions: stored.interruptions,
    reason: stored.reason,
    driver: stored.driver,
    memoryMib: stored.memory_mib,
    cpus: stored.cpus,
    diskMib: stored.disk_mib,
    limits: {
      cpuQuotaPercent: stored.cpu_quota_percent,
      cpuWeight: stored.cpu_weight,
      diskMibPerSecond: stored.disk_mib_per_second,
      diskOperationsPerSecond: stored.disk_operations_per_second,
    },
    size: stored.size,
    machineId: stored.machine_id as MachineId | null,
    diskId: stored.disk_id,
    image: stored.image,
    network: stored.network === null ? null : NetworkPolicy.parse(JSON.parse(stored.network)),
    sharedNetwork: stored.shared_network as NetworkId | null,
    snapshotId: stored.save_id,
    idleTimeoutSeconds: stored.idle_timeout_seconds,
    expiresAt: stored.expires_at,
    runningSince: stored.running_since,
    createdAt: stored.created_at,
    server: stored.server,
    epoch: stored.epoch,
  };
}

export function fromRow(row: EnvironmentRow): EnvironmentsTable {
  return {
    id: row.id,
    name: row.name,
    owner: row.owner,
    state: row.state,
    operation: row.operation,
    step: row.step,
    interruptions: row.interruptions,
    reason: row.reason,
    driver: row.driver,
    memory_mib: row.memoryMib,
    cpus: row.cpus,
    disk_mib: row.diskMib,
    cpu_quota_percent: row.limits.cpuQuotaPercent,
    cpu_weight: row.limits.cpuWeight,
    disk_mib_per_second: row.limits.diskMibPerSecond,
    disk_operations_per_second: row.limits.diskOperationsPerSecond,
    size: row.size,
    machine_id: row.machineId,
    disk_id: row.diskId,
    image: row.image,
    network: row.network === null ? null : JSON.stringify(row.network),
    shared_network: row.sharedNetwork,
    save_id: row.snapshotId,
    idle_timeout_seconds: row.idleTimeoutSeconds,
    expires_at: row.expiresAt,
    running_since: row.runningSince,
    created_at: row.createdAt,
    server: row.server,
    epoch: row.epoch,
  };
}

export function fromTimes({ idleTimeoutSeconds, expiresAt }: EnvironmentTimes): Updateable<EnvironmentsTable> {
  return {
    ...(idleTimeoutSeconds === undefined ? {} : { idle_timeout_seconds: idleTimeoutSeconds }),
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
  };
}

export function fromLimits(limits: Partial<LimitChoices>): Updateable<EnvironmentsTable> {
  const { cpuQuotaPercent, cpuWeight, diskMibPerSecond, diskOperationsPerSecond } = limits;
  return {
    ...(cpuQuotaPercent === undefined ? {} : { cpu_quota_percent: cpuQuotaPercent }),
    ...(cpuWeight === undefined ? {} : { cpu_weight: cpuWeight }),
    ...(diskMibPerSecond === undefined ? {} : { disk_mib_per_second: diskMibPerSecond }),
    ...(diskOperationsPerSecond === undefined ? {} : { disk_operations_per_second: diskOperationsPerSecond }),
  };
}

/** A key that is absent leaves its column alone; null clears it. */
export function fromPatch(patch: EnvironmentPatch): Updateable<EnvironmentsTable> {
  return {
    ...(patch.operation === undefined ? {} : { operation: patch.operation }),
    ...(patch.step === undefined ? {} : { step: patch.step }),
    ...(patch.interruptions === undefined ? {} : { interruptions: patch.interruptions }),
    ...(patch.reason === undefined ? {} : { reason: patch.reason }),
    ...(patch.machineId === undefined ? {} : { machine_id: patch.machineId }),
    ...(patch.diskId === undefined ? {} : { disk_id: patch.diskId }),
    ...(patch.snapshotId === undefined ? {} : { save_id: patch.snapshotId }),
    ...(patch.runningSince === undefined ? {} : { running_since: patch.runningSince }),
  };
}
