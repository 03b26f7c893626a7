import { type BootStep, MachineId, PlatformError, TerminalId } from "@microterm/protocol";
import type { EnvironmentRow } from "../ports/repository.ts";
import type { Machine } from "../ports/vm-driver.ts";
import { settled, withDeadline } from "../time/deadline.ts";
import { type Context, changed, liveMachine } from "./context.ts";
import { watch } from "./ended.ts";
import { bootIdentity } from "./identity.ts";
import { keepConsole, releaseMachine } from "./machines.ts";
import { type BootNotes, describeError, stepReason } from "./steps.ts";

/** The size of the terminal that is there before anybody looks; the first to type gives it theirs. */
const FIRST_TERMINAL = { cols: 80, rows: 24 };

/** After an aborted boot: how long the driver may take to give back what it had taken. */
const SETTLE_MS = 10_000;
/** A daemon that died in the first attempt is back before the second. */
const RETRY_PAUSE_MS = 1_000;

/** The row is no longer `creating`: another request took over, and whoever did cleans up. */
class Superseded extends Error {}

/**
 * Brings a `creating` environment to `running` or `failed`, with one visible second attempt. When `signal` aborts, or the
 * row has left `creating`, it lets go of everything as it stands. Rejects only when the database does.
 */
export async function boot(
  context: Context,
  row: EnvironmentRow,
  options: { readonly isResumed: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const signal = AbortSignal.any([options.signal, context.closing.signal]);
  // Another boot of it may have ended while this one waited for its turn.
  if ((await context.rows.get(row.id))?.state !== "creating") return;
  let retry: string | null = null;
  for (;;) {
    try {
      if (retry !== null || row.machineId !== null) await removeEarlier(context, row);
      return await attempt(context, row, { isResumed: options.isResumed, retry }, signal);
    } catch (error) {
      if (signal.aborted || error instanceof Superseded) return;
      const reason = describeError(error);
      if (retry !== null || !isWorthRetrying(error)) return await fail(context, row, reason);
      context.log.warn("a boot failed and is tried once more", { environment: row.id, reason });
      retry = reason;
      await context.clock.sleep(RETRY_PAUSE_MS, signal).catch(() => {});
    }
  }
}

/** Whatever earlier boots have left behind: it would hold the disk. */
async function removeEarlier(context: Context, row: EnvironmentRow): Promise<void> {
  for (const { machineId, environmentId } of await context.driver.list()) {
    if (machineId === row.machineId || environmentId === row.id) await releaseMachine(context, machineId);
  }
}

function isWorthRetrying(error: unknown): boolean {
  return !(
    error instanceof PlatformError &&
    (error.code === "HOST_OUT_OF_MEMORY" || error.code === "HOST_OUT_OF_DISK" || error.code === "BAD_REQUEST")
  );
}

async function fail(context: Context, row: EnvironmentRow, reason: string): Promise<void> {
  context.log.error("an environment could not be booted", { environment: row.id, reason });
  if ((await context.rows.transition(row.id, ["creating"], "failed", { reason })) !== null) changed(context, row);
}

async function attempt(context: Context, row: EnvironmentRow, notes: BootNotes, signal: AbortSignal): Promise<void> {
  const { rows, driver, clock, limits } = context;
  const machineId = MachineId.parse(context.random.id(16));
  // In the row before anything bears it, so that whatever a crash leaves on the host has an owner to ask.
  const patch = { machineId, reason: stepReason("disk", notes) };
  if ((await rows.transition(row.id, ["creating"], "creating", patch)) === null) throw new Superseded();
  changed(context, row);

  const progress: Progress = { step: "disk", booting: null };
  const error = () =>
    new PlatformError(
      "MACHINE_BOOT_FAILED",
      `no end of step '${progress.step}' ${limits.bootDeadlineMs / 1000} s after the start`,
    );
  try {
    await withDeadline({ clock, timeoutMs: limits.bootDeadlineMs, error, signal }, (bounded) =>
      bootMachine(context, { row, notes, machineId, progress, signal: bounded }),
    );
  } catch (error) {
    const held = context.live.get(row.id);
    context.live.delete(row.id);
    if (progress.booting !== null) await settled(clock, SETTLE_MS, progress.booting);
    if (signal.aborted || error instanceof Superseded) {
      held?.machine.release();
      throw error;
    }
    const line = held === undefined ? null : await keepConsole(context, row.id, held.machine);
    const said = line === null ? describeError(error) : `${describeError(error)}; the console ended with: ${line}`;
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

interface Progress {
  step: BootStep;
  /** The driver's call under way: waited for before anything that it may have made is removed. */
  booting: Promise<Machine> | null;
}

interface Attempt {
  readonly row: EnvironmentRow;
  readonly notes: BootNotes;
  readonly machineId: MachineId;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

async function bootMachine(context: Context, { row, notes, machineId, progress, signal }: Attempt): Promise<void> {
  const { rows, driver, faults, limits } = context;
  const enter = async (step: BootStep) => {
    signal.throwIfAborted();
    progress.step = step;
    if (!(await rows.annotate(row.id, "creating", stepReason(step, notes)))) throw new Superseded();
    changed(context, row);
  };

  const hasDisk = driver.capabilities.supportsDisk;
  if (hasDisk) await driver.createDisk(row.id, { sizeMib: row.diskMib });
  faults.hit("create.disk");

  await enter("machine");
  await context.network.attach(machineId);
  faults.hit("create.network");
  signal.throwIfAborted();
  progress.booting = driver.boot(
    { machineId, memoryMib: row.memoryMib, cpus: row.cpus, diskId: hasDisk ? row.id : null, environmentId: row.id },
    { signal },
  );
  const machine = await progress.booting;
  if (signal.aborted) {
    // Too late: this attempt has been given up, and whoever gave it up removes the machine by its id.
    machine.release();
    signal.throwIfAborted();
  }
  const live = liveMachine(machine);
  context.live.set(row.id, live);
  faults.hit("create.machine");

  const died = machine.ended.then((end) => {
    throw new PlatformError("MACHINE_BOOT_FAILED", `the machine ended while it booted: ${end.reason}`);
  });
  // Heard below while it matters; afterwards `watch` hears it.
  died.catch(() => {});
  await Promise.race([died, talk(context, { row, live, enter, signal, timeoutMs: limits.bootDeadlineMs })]);

  live.isReady = true;
  if ((await rows.transition(row.id, ["creating"], "running", { reason: null })) === null) throw new Superseded();
  faults.hit("create.running");
  watch(context, row, live);
  changed(context, row);
}

interface Talk {
  readonly row: EnvironmentRow;
  readonly live: { readonly machine: Machine };
  readonly enter: (step: BootStep) => Promise<void>;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** From a VMM that runs to a guest that is itself and has a terminal. */
async function talk(context: Context, { row, live, enter, signal, timeoutMs }: Talk): Promise<void> {
  await enter("kernel");
  const agent = await live.machine.agent({ timeoutMs, signal });
  await enter("agent");
  await agent.identify(bootIdentity(context, row), { signal });
  context.faults.hit("create.agent");
  await enter("terminal");
  await agent.openTerminal({ id: TerminalId.parse(context.random.id(8)), ...FIRST_TERMINAL }, { signal });
  context.faults.hit("create.terminal");
}
