import { type Environment, type OwnerId, PlatformError } from "@microterm/protocol";
import type { EnvironmentRow } from "../ports/repository.ts";
import { reserveBeforePool } from "./admission.ts";
import type { BootOptions } from "./boot.ts";
import { type Context, changed } from "./context.ts";
import { destroyExpired } from "./destroy.ts";
import type { EnvironmentService } from "./environment-service.ts";
import { pause } from "./pause.ts";
import { dropSave } from "./saves.ts";
import { stop } from "./stop.ts";

interface Parts {
  readonly require: (owner: OwnerId, reference: string) => Promise<EnvironmentRow>;
  readonly view: (row: EnvironmentRow) => Promise<Environment>;
  readonly beginBoot: (row: EnvironmentRow, how: Pick<BootOptions, "isFresh" | "hasRoom">) => void;
}

interface Power {
  readonly actions: Pick<EnvironmentService, "start" | "stop" | "pause" | "resume">;
  /** Idle time or life over: what an owner would ask for, with a reason. */
  end(action: "pause" | "stop" | "destroy", row: EnvironmentRow, reason: string): Promise<void>;
}

/** Starting, stopping, pausing and resuming: each changes the row, and what it leaves to do goes on in the background. */
export function createPower(context: Context, { require, view, beginBoot }: Parts): Power {
  const { rows, driver, random } = context;
  const get = async (row: EnvironmentRow) => view(await require(row.owner, row.id));

  /** Null where it is another's turn: a pause, or a stop, has begun since the row was read. */
  async function beginStop(row: EnvironmentRow, reason: string | null): Promise<EnvironmentRow | null> {
    const stopping = { operation: "stop", reason } as const;
    const asked = await rows.transition(row.id, ["running"], "running", stopping, { operation: row.operation });
    if (asked === null) return null;
    context.faults.hit("stop.row");
    changed(context, row);
    // A recovery may still be trying to take its machine over: the stop does not wait for that.
    if (!context.live.has(row.id)) void context.work.abort(row.id);
    void context.work.begin(row.id, (signal) => stop(context, row.id, signal));
    return asked;
  }

  /** False when it is not paused any more. */
  async function dropPaused(row: EnvironmentRow): Promise<boolean> {
    const patch = { reason: null, saveId: null };
    if ((await rows.transition(row.id, ["paused"], "stopped", patch, { saveId: row.saveId })) === null) return false;
    dropSave(context, row);
    changed(context, row);
    return true;
  }

  /** A save cannot be called back: whatever comes of it is stopped when it has ended. Null when it has ended already. */
  async function stopAfterPause({ id, saveId }: EnvironmentRow): Promise<EnvironmentRow | null> {
    const stopping = { operation: "stop", reason: null } as const;
    const asked = await rows.transition(id, ["running"], "running", stopping, { operation: "pause", saveId });
    if (asked === null) return null;
    context.faults.hit("stop.row");
    changed(context, asked);
    // The pause itself ends in `stopped` where it succeeds.
    void context.work.begin(id, (signal) => stop(context, id, signal));
    return asked;
  }

  async function beginPause(row: EnvironmentRow, reason: string | null): Promise<EnvironmentRow | null> {
    const { snapshots } = context;
    if (snapshots === null) {
      throw new PlatformError(
        "UNSUPPORTED",
        `'${row.name}' cannot be paused, because the driver '${driver.name}' keeps no memory: stop it instead`,
      );
    }
    const { machineId } = row;
    if (machineId === null || !context.live.has(row.id)) {
      throw new PlatformError("GUEST_UNREACHABLE", `'${row.name}' is not connected: try again in a moment`);
    }
    const saveId = random.id(16);
    // A second request must not rename what the first is saving.
    const free = { operation: null, machineId, saveId: null };
    const pausing = { operation: "pause", reason, saveId } as const;
    const asked = await rows.transition(row.id, ["running"], "running", pausing, free);
    if (asked === null) return null;
    context.faults.hit("pause.row");
    changed(context, row);
    const saving = { ...asked, machineId, saveId };
    void context.work.begin(row.id, (signal) => pause(context, { row: saving, snapshots, signal }));
    return asked;
  }

  const actions: Power["actions"] = {
    async start(owner, reference) {
      const row = await require(owner, reference);
      if (row.state === "creating" || row.state === "running") return view(row);
      if (row.state === "destroying") throw refusal(row, "it cannot be started");
      const isPaused = row.state === "paused";
      const needsDisk = !isPaused && driver.capabilities.supportsDisk;
      const diskMib = needsDisk && !(await driver.listDisks()).includes(row.diskId) ? row.diskMib : 0;
      await reserveBeforePool(context, row.id, { memoryMib: row.memoryMib, cpus: row.cpus, diskMib });
      let started: EnvironmentRow | null = null;
      try {
        const from = isPaused ? (["paused"] as const) : (["stopped", "failed"] as const);
        const begun = isPaused
          ? ({ operation: "resume", step: "resume", reason: null } as const)
          : ({ operation: "start", step: "disk", reason: null } as const);
        started = await rows.transition(row.id, from, "creating", begun);
        // Another request was faster: what it made of it is the answer.
        if (started === null) return await get(row);
        context.faults.hit("start.row");
        changed(context, started);
        beginBoot(started, { isFresh: false, hasRoom: true });
        return await view(started);
      } finally {
        if (started === null && !context.work.isBusy(row.id)) context.admission.release(row.id);
      }
    },

    async stop(owner, reference) {
      const row = await require(owner, reference);
      if (row.state === "stopped" || row.state === "failed") return view(row);
      if (row.state === "paused") {
        await dropPaused(row);
        return get(row);
      }
      if (row.state !== "running") throw refusal(row, "it cannot be stopped");
      if (row.operation === "pause") {
        const asked = await stopAfterPause(row);
        return asked === null ? actions.stop(owner, row.id) : view(asked);
      }
      if (row.operation === "stop" && context.work.isBusy(row.id)) return view(row);
      // Another request may have changed it since it was read: then that is the answer.
      const asked = await beginStop(row, null);
      return asked === null ? get(row) : view(asked);
    },

    async pause(owner, reference) {
      const row = await require(owner, reference);
      if (row.state === "paused" || row.operation === "pause") return view(row);
      if (row.state !== "running") throw refusal(row, "only a running one can be paused");
      if (row.operation === "stop") throw refusal(row, "it is being stopped");
      const asked = await beginPause(row, null);
      return asked === null ? get(row) : view(asked);
    },

    async resume(owner, reference) {
      const row = await require(owner, reference);
      if (row.state === "stopped" || row.state === "failed") {
        throw refusal(row, "its memory is not kept; 'start' boots it with its disk");
      }
      return actions.start(owner, row.id);
    },
  };

  return {
    actions,
    async end(action, row, reason) {
      if (action === "destroy") await destroyExpired(context, row);
      else if (action === "pause") await beginPause(row, reason);
      else await beginStop(row, reason);
    },
  };
}

export function refusal(row: EnvironmentRow, why: string): PlatformError {
  return new PlatformError("ENVIRONMENT_STATE", `'${row.name}' is ${row.state}: ${why}`, {
    details: { name: row.name, state: row.state },
  });
}
