import { type BootStep, MachineId, PlatformError, type Size } from "@microterm/protocol";
import { NeverRan } from "../ports/never-ran.ts";
import type { EnvironmentRow } from "../ports/repository.ts";
import type { Machine, MachineSpec, VmSnapshots } from "../ports/vm-driver.ts";
import { settled, withDeadline } from "../time/deadline.ts";
import { describeError } from "../words/words.ts";
import { type Context, changed, type LiveMachine, liveMachine } from "./context.ts";
import { watch } from "./ended.ts";
import { openFirstTerminal, toTerminal } from "./first-terminal.ts";
import { bootIdentity, wakeOf } from "./identity.ts";
import { deathOf, keepConsole, MachineEnded, releaseMachine } from "./machines.ts";
import { AT_REST, type BootNotes, remarkOn } from "./steps.ts";

/** After an aborted boot: how long the driver may take to give back what it had taken. */
const SETTLE_MS = 10_000;
/** A guest that has just reported its terminals is not asked again by requests that waited for it. */
const KNOWN_MS = 1_000;

/** The row is no longer `creating`: another request took over, and cleans up. */
export class Superseded extends Error {}

/** How a guest comes to life. */
export type Way =
  | { readonly kind: "boot" }
  | { readonly kind: "restore"; readonly size: Size; readonly template: string; readonly snapshots: VmSnapshots }
  | { readonly kind: "resume"; readonly saveId: string; readonly snapshots: VmSnapshots };

export interface Attempt {
  readonly row: EnvironmentRow;
  readonly way: Way;
  readonly notes: BootNotes;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface Progress {
  step: BootStep;
  /** The driver's call under way: waited for before anything that it may have made is removed. */
  making: Promise<Machine> | null;
  /** The guest may have gone on: a save that it came from must not be used again, its disk may be another now. */
  hasRun: boolean;
}

const FIRST_STEPS: Readonly<Record<Way["kind"], BootStep>> = { boot: "disk", restore: "restore", resume: "resume" };

/** One attempt to bring a `creating` environment to `running`. When it rejects, nothing of it is left on the host. */
export async function attempt(
  context: Context,
  all: Omit<Attempt, "progress"> & { progress: Progress },
): Promise<void> {
  const { row, way, notes, progress, signal } = all;
  const { rows, driver, clock, limits } = context;
  const machineId = MachineId.parse(context.random.id(16));
  progress.step = FIRST_STEPS[way.kind];
  // In the row before anything bears it, so that whatever a crash leaves on the host has an owner to ask.
  const interruptions = row.interruptions + (notes.isResumed ? 1 : 0);
  const patch = { machineId, step: progress.step, interruptions, reason: remarkOn(notes) };
  if ((await rows.transition(row.id, ["creating"], "creating", patch)) === null) throw new Superseded();
  changed(context, row);

  const error = () =>
    new PlatformError(
      "MACHINE_BOOT_FAILED",
      `no end of step '${progress.step}' ${limits.bootDeadlineMs / 1000} s after the start`,
    );
  try {
    await withDeadline({ clock, timeoutMs: limits.bootDeadlineMs, error, signal }, (bounded) =>
      bring(context, { ...all, signal: bounded }, machineId),
    );
  } catch (error) {
    const held = context.live.get(row.id);
    context.live.delete(row.id);
    if (progress.making !== null) await settled(clock, SETTLE_MS, progress.making);
    if (signal.aborted || error instanceof Superseded) {
      held?.machine.release();
      throw error;
    }
    const line = held === undefined ? null : await keepConsole(context, row.id, held.machine);
    // A panic is the console's last words already.
    const hasPanicked = error instanceof MachineEnded && error.kind === "panicked";
    const words = describeError(error);
    const said = line === null || hasPanicked ? words : `${words}; the console ended with: ${line}`;
    // The driver releases what it had taken; one that was cut off in the middle may not have.
    await releaseMachine(context, machineId, held?.machine).catch((cause: unknown) => {
      context.log.error("a machine that failed to boot is left behind", {
        machine: machineId,
        error: describeError(cause),
      });
    });
    throw error instanceof PlatformError ? new PlatformError(error.code, said, { cause: error }) : new Error(said);
  }
  if (driver.capabilities.supportsConsole) context.consoles.delete(row.id);
}

async function bring(context: Context, one: Attempt, machineId: MachineId): Promise<void> {
  const { row, way, progress, signal } = one;
  const { rows, faults } = context;
  const enter = async (step: BootStep) => {
    signal.throwIfAborted();
    progress.step = step;
    if (!(await rows.enterStep(row.id, step))) throw new Superseded();
    changed(context, row);
  };

  const live = liveMachine(await make(context, one, { machineId, enter }));
  const { machine } = live;
  context.live.set(row.id, live);
  faults.hit(way.kind === "resume" ? "resume.machine" : "create.machine");

  await Promise.race([deathOf(machine, "the machine ended while it booted"), talk(context, one, { live, enter })]);

  live.isReady = true;
  const done = { ...AT_REST, reason: null, saveId: null };
  if ((await rows.transition(row.id, ["creating"], "running", done)) === null) throw new Superseded();
  faults.hit("create.running");
  watch(context, row, live);
  context.lifetimes.began(row.id);
  changed(context, row);
}

type Enter = (step: BootStep) => Promise<void>;

/** From the disk to a VMM that runs. */
async function make(
  context: Context,
  { row, way, progress, signal }: Attempt,
  { machineId, enter }: { readonly machineId: MachineId; readonly enter: Enter },
): Promise<Machine> {
  const { driver, faults } = context;
  const hasDisk = driver.capabilities.supportsDisk;
  if (way.kind === "restore") await way.snapshots.createDiskFrom(way.template, row.diskId);
  if (way.kind === "boot" && hasDisk) await driver.createDisk(row.diskId, { sizeMib: row.diskMib });
  faults.hit("create.disk");

  if (way.kind === "boot") await enter("machine");
  await context.network.attach(machineId);
  faults.hit("create.network");
  signal.throwIfAborted();
  const { memoryMib, cpus } = row;
  const diskId = hasDisk ? row.diskId : null;
  const spec: MachineSpec = { machineId, memoryMib, cpus, diskId, environmentId: row.id, image: row.image };
  // A guest runs before its host can say so: from here on only the host's word can tell that it has not.
  progress.hasRun = true;
  progress.making = start(context, way, spec, signal);
  const machine = await progress.making.catch((error: unknown) => {
    if (error instanceof NeverRan) progress.hasRun = false;
    throw error;
  });
  if (signal.aborted) {
    // Too late: this attempt has been given up, and the request that gave it up removes the machine by its id.
    machine.release();
    signal.throwIfAborted();
  }
  return machine;
}

function start({ driver }: Context, way: Way, spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
  switch (way.kind) {
    case "boot":
      return driver.boot(spec, { signal });
    case "restore":
      return way.snapshots.restore({ ...spec, template: way.template }, { signal });
    case "resume":
      return way.snapshots.resume({ ...spec, saveId: way.saveId }, { signal });
  }
}

/** From a VMM that runs to a guest that is itself and has a terminal. */
async function talk(
  context: Context,
  { row, way, signal }: Attempt,
  { live, enter }: { readonly live: LiveMachine; readonly enter: Enter },
): Promise<void> {
  const { faults, clock, random, limits } = context;
  if (way.kind === "boot") await enter("kernel");
  const agent = await live.machine.agent({ timeoutMs: limits.bootDeadlineMs, signal });
  await enter("agent");
  if (way.kind === "resume") return agent.wake(wakeOf(context), { signal });
  await agent.identify(bootIdentity({ clock, random }, row), { signal });
  faults.hit("create.agent");
  await enter("terminal");
  live.terminals = [toTerminal(await openFirstTerminal(context, agent, signal))];
  live.knownUntil = clock.now() + KNOWN_MS;
  faults.hit("create.terminal");
}
