import { setTimeout as sleep } from "node:timers/promises";
import { type Abortable, GuestNeverRan, type Machine, type MachineSpec, type VmSnapshots } from "@microterm/core";
import { type HostDaemonClient, hostCodeOf, type LaunchMemory, launchedBy } from "@microterm/host";
import { type MachineId, PlatformError } from "@microterm/protocol";
import { bootFailure, snapshotFailure } from "./host-failures.ts";
import type { HostMachine } from "./host-machine.ts";
import type { Vmm } from "./vmm.ts";

/** A daemon that died while it saved is started again, and ends or releases what it was saving. */
const DAEMON_BACK_MS = 30_000;
const ASK_AGAIN_MS = 250;

export interface HostSnapshotsOptions {
  readonly vmm: Vmm;
  readonly daemon: HostDaemonClient;
  readonly image: string;
  readonly accelerator: "tcg" | "kvm";
  readonly start: (spec: MachineSpec, memory: LaunchMemory, options?: Abortable) => Promise<Machine>;
  /** The machines that this process follows. */
  readonly followed: ReadonlyMap<MachineId, HostMachine>;
}

/** Saved memory through microterm-host, which alone may touch it. */
export function createHostSnapshots(options: HostSnapshotsOptions): VmSnapshots {
  const { vmm, daemon, image, accelerator, start, followed } = options;

  return {
    findTemplate: ({ hasNetwork = false, ...shape }) =>
      // The name is left out where there is none: daemons of before do not know it.
      daemon.findTemplate({
        ...{ ...shape, image, accelerator },
        ...(hasNetwork ? { network: true } : {}),
        ...launchedBy(vmm.name),
      }),

    async saveTemplate(machineId, key) {
      followed.get(machineId)?.expectEnd();
      try {
        await daemon.saveTemplate(machineId, key);
      } catch (error) {
        throw snapshotFailure(error);
      } finally {
        // Its VMM has ended, or is of no use any more.
        followed.get(machineId)?.release();
      }
    },

    listTemplates: async () => (await daemon.listTemplates()).map(({ template }) => template),

    async removeTemplate(key) {
      await daemon.removeTemplate(key);
    },

    async createDiskFrom(key, diskId) {
      try {
        await daemon.createDiskFrom(diskId, key);
      } catch (error) {
        if (hostCodeOf(error) !== "exists") throw error;
      }
    },

    restore: (spec, given) => start(spec, { template: spec.template }, given),

    async pause(machineId, snapshotId) {
      const machine = followed.get(machineId);
      machine?.expectEnd();
      try {
        await daemon.saveMachine(machineId, snapshotId);
      } catch (error) {
        if (!leavesOpen(error) || !(await isWhole(daemon, snapshotId))) {
          machine?.expectNoEnd();
          throw snapshotFailure(error);
        }
      }
      machine?.release();
    },

    async resume(spec, given) {
      // A daemon that is away has launched nothing. One that goes away during the launch leaves that open.
      await daemon.hello().catch((error: unknown) => {
        throw new GuestNeverRan(bootFailure(error));
      });
      return start(spec, { save: spec.snapshotId }, given);
    },
    removeSnapshot: (snapshotId) => daemon.removeSave(snapshotId),
    listSnapshots: async () => (await daemon.listSaves()).map(({ saveId }) => saveId),
  };
}

/**
 * A connection that was lost says nothing: the snapshot may have become whole. Nor does a snapshot or a machine that exists
 * already: an earlier request for the same may have succeeded, whose answer was lost.
 */
function leavesOpen(error: unknown): boolean {
  if (!(error instanceof PlatformError)) return false;
  const hostCode = hostCodeOf(error);
  return error.code === "HOST_DAEMON_UNAVAILABLE" || hostCode === "exists" || hostCode === "not-found";
}

/** Asks until the daemon is back. A guest whose snapshot is whole never goes on: the daemon ends its VMM. */
async function isWhole(daemon: HostDaemonClient, snapshotId: string): Promise<boolean> {
  for (const until = Date.now() + DAEMON_BACK_MS; ; await sleep(ASK_AGAIN_MS)) {
    try {
      // It may be completing what the one before it has begun.
      await daemon.settle();
      return (await daemon.listSaves()).some((save) => save.saveId === snapshotId && save.isWhole);
    } catch {
      if (Date.now() >= until) return false;
    }
  }
}
