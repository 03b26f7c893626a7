import { type BootStep, MachineId, PlatformError } from "@microterm/protocol";
import { attachEnvironment } from "../../machines/attach-network.ts";
import { openFirstTerminal, toTerminal } from "../../machines/first-terminal.ts";
import { bootIdentity } from "../../machines/identity.ts";
import { MachineEnded, rejectOnEnd } from "../../machines/machine-end.ts";
import { limitsFor } from "../../machines/machine-limits.ts";
import { releaseMachine } from "../../machines/remove-machine.ts";
import { type StartMethod, startMachine } from "../../machines/start-method.ts";
import { describeError } from "../../messages/describe-error.ts";
import type { NetworkAttachment } from "../../ports/network.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { GuestNeverRan, type Machine, type MachineSpec } from "../../ports/vm-driver.ts";
import { endedWithin, withDeadline } from "../../time/deadline.ts";
import type { Stopwatch } from "../../time/stopwatch.ts";
import { timestamp } from "../../time/timestamp.ts";
import { applyPolicy } from "../network/apply-policy.ts";
import { watch } from "../running/watch.ts";
import { AT_REST } from "../state/at-rest.ts";
import { keepConsole } from "../state/console.ts";
import { changed, type EnvironmentContext, forgetMachine } from "../state/environment-context.ts";
import { type LiveMachine, liveMachine, noteTerminals, wakeGuest } from "../state/live-machine.ts";
import { reportStart } from "./report-start.ts";
import { remarkOn, type StartNotes } from "./start-notes.ts";

/** After an aborted start: how long the driver may take to give back what it had taken. */
const RELEASE_TIMEOUT_MS = 10_000;

/** The row is no longer `creating`: another request took over, and cleans up. */
export class Superseded extends Error {}

export interface Attempt {
  readonly row: EnvironmentRow;
  readonly method: StartMethod;
  readonly notes: StartNotes;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface Progress {
  /** Of the whole start, over its attempts. */
  readonly stopwatch: Stopwatch;
  step: BootStep;
  /** Of the latest attempt. */
  machineId: MachineId | null;
  /** The driver's call under way: waited for before anything that it may have made is removed. */
  making: Promise<Machine> | null;
  /** The guest may have gone on: a snapshot that it came from must not be used again, its disk may be another now. */
  hasRun: boolean;
}

const FIRST_STEPS: Readonly<Record<StartMethod["kind"], BootStep>> = {
  boot: "disk",
  restore: "restore",
  resume: "resume",
};

/** One attempt to bring a `creating` environment to `running`. When it rejects, nothing of it is left on the host. */
export async function attempt(
  context: EnvironmentContext,
  all: Omit<Attempt, "progress"> & { progress: Progress },
): Promise<void> {
  const { row, method, notes, progress, signal } = all;
  const { rows, clock, limits } = context;
  const driver = context.drivers.of(row);
  const machineId = MachineId.parse(context.random.id(16));
  progress.machineId = machineId;
  progress.step = FIRST_STEPS[method.kind];
  progress.stopwatch.enter(progress.step);
  // In the row before anything bears it, so that whatever a crash leaves on the host has an owner to ask.
  const interruptions = row.interruptions + (notes.isInterrupted ? 1 : 0);
  const patch = { machineId, step: progress.step, interruptions, reason: remarkOn(notes) };
  if ((await rows.transition(row.id, ["creating"], "creating", patch)) === null) throw new Superseded();
  changed(context, row);

  const error = (seconds: number) =>
    new PlatformError("MACHINE_BOOT_FAILED", `no end of step '${progress.step}' ${seconds} s after the start`);
  try {
    await withDeadline({ clock, timeoutMs: limits.bootDeadlineMs, error, signal }, (bounded) =>
      bring(context, { ...all, signal: bounded }, machineId),
    );
  } catch (error) {
    const held = context.live.get(row.id);
    forgetMachine(context, row.id);
    if (progress.making !== null) await endedWithin(clock, RELEASE_TIMEOUT_MS, progress.making);
    if (signal.aborted || error instanceof Superseded) {
      held?.machine.release();
      throw error;
    }
    const line = held === undefined ? null : await keepConsole(context, row.id, held);
    // A panic is the console's last line already.
    const hasPanicked = error instanceof MachineEnded && error.kind === "panicked";
    const why = describeError(error);
    const said = line === null || hasPanicked ? why : `${why}; the console ended with: ${line}`;
    // The driver releases what it had taken; one that was cut off in the middle may not have.
    await releaseMachine(context, driver, { id: machineId, held: held?.machine }).catch((cause: unknown) => {
      context.log.error("a machine that failed to start is left behind", {
        machine: machineId,
        error: describeError(cause),
      });
    });
    throw error instanceof PlatformError ? new PlatformError(error.code, said, { cause: error }) : new Error(said);
  }
  if (driver.capabilities.supportsConsole) await context.consoles.drop(row.id);
}

async function bring(context: EnvironmentContext, one: Attempt, machineId: MachineId): Promise<void> {
  const { row, method, progress, signal } = one;
  const { rows, faults } = context;
  const enter = async (step: BootStep) => {
    signal.throwIfAborted();
    progress.step = step;
    progress.stopwatch.enter(step);
    if (!(await rows.enterStep(row.id, step))) throw new Superseded();
    changed(context, row);
  };

  const { machine, attachment } = await make(context, one, { machineId, enter });
  const live = liveMachine(context.drivers.of(row), machine);
  context.live.set(row.id, live);
  faults.hit(method.kind === "resume" ? "resume.machine" : "create.machine");

  await Promise.race([
    rejectOnEnd(machine, "the machine ended while it booted"),
    talk(context, one, { live, attachment, enter }),
  ]);
  await applyPolicy(context, row, machineId);

  live.isReady = true;
  const done = { ...AT_REST, reason: null, snapshotId: null, runningSince: timestamp(context.clock) };
  if ((await rows.transition(row.id, ["creating"], "running", done)) === null) throw new Superseded();
  faults.hit("create.running");
  watch(context, row, live);
  context.lifetimes.began(row.id);
  changed(context, row);
  reportStart(context, row, {
    method: method.kind,
    machine: machineId,
    outcome: "done",
    stopwatch: progress.stopwatch,
  });
}

interface Started {
  readonly machine: Machine;
  readonly attachment: NetworkAttachment;
}

type Enter = (step: BootStep) => Promise<void>;

/** From the disk to a VMM that runs. */
async function make(
  context: EnvironmentContext,
  { row, method, progress, signal }: Attempt,
  { machineId, enter }: { readonly machineId: MachineId; readonly enter: Enter },
): Promise<Started> {
  const { faults } = context;
  const driver = context.drivers.of(row);
  const hasDisk = driver.capabilities.supportsDisk;
  if (method.kind === "restore") await method.snapshots.createDiskFrom(method.template, row.diskId);
  if (method.kind === "boot" && hasDisk) await driver.createDisk(row.diskId, { sizeMib: row.diskMib });
  faults.hit("create.disk");

  if (method.kind === "boot") await enter("machine");
  const attachment = await attachEnvironment(context, row, machineId);
  faults.hit("create.network");
  signal.throwIfAborted();
  const { memoryMib, cpus } = row;
  const diskId = hasDisk ? row.diskId : null;
  const spec: MachineSpec = {
    machineId,
    memoryMib,
    cpus,
    diskId,
    environmentId: row.id,
    network: attachment.link,
    image: row.image,
    limits: limitsFor(driver, row),
  };
  // A guest runs before its host can say so: from here on only the host's word can tell that it has not.
  progress.hasRun = true;
  progress.making = startMachine(driver, method, spec, signal);
  const machine = await progress.making.catch((error: unknown) => {
    if (error instanceof GuestNeverRan) progress.hasRun = false;
    throw error;
  });
  if (signal.aborted) {
    // Too late: this attempt has been given up, and the request that gave it up removes the machine by its id.
    machine.release();
    signal.throwIfAborted();
  }
  return { machine, attachment };
}

/** From a VMM that runs to a guest that is itself and has a terminal. */
async function talk(
  context: EnvironmentContext,
  { row, method, signal }: Attempt,
  { live, attachment, enter }: { readonly live: LiveMachine; readonly enter: Enter } & Pick<Started, "attachment">,
): Promise<void> {
  const { faults, clock, random, limits } = context;
  if (method.kind === "boot") await enter("kernel");
  const agent = await live.machine.agent({ timeoutMs: limits.bootDeadlineMs, signal });
  await enter("agent");
  if (method.kind === "resume") return wakeGuest(context, live, { agent, network: attachment, signal });
  await agent.identify(bootIdentity({ clock, random }, { ...row, network: attachment }), { signal });
  faults.hit("create.agent");
  await enter("terminal");
  noteTerminals(live, clock, [toTerminal(await openFirstTerminal(context, agent, signal))]);
  faults.hit("create.terminal");
}
