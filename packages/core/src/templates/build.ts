import { MachineId, SIZES, type Size, type TemplateStep } from "@microterm/protocol";
import { attachNetwork } from "../machines/attach-network.ts";
import { bootIdentity } from "../machines/identity.ts";
import type { MachineContext } from "../machines/machine-context.ts";
import { limitsFor } from "../machines/machine-limits.ts";
import { openPrompt } from "../machines/prompt.ts";
import { releaseMachine } from "../machines/remove-machine.ts";
import type { Machine, VmDriver, VmSnapshots } from "../ports/vm-driver.ts";
import { endedWithin, withDeadline } from "../time/deadline.ts";
import { runToEnd } from "./run-to-end.ts";

/** From its disk to what is saved. A boot of an emulated guest takes 3 to 10 s, and a host may be busy. */
const BUILD_MS = 180_000;
const RELEASE_TIMEOUT_MS = 10_000;
/** The same at the end of the server, which a person waits for. */
const LAST_RELEASE_TIMEOUT_MS = 3_000;

/**
 * What a first user does, done once for all: the code of it is in memory, translated and linked, in every machine that
 * is restored. As `dev`, in programs that all end before the guest is sealed.
 */
const WARMING: readonly (readonly string[])[] = [
  ["bash", "-lic", "true"],
  ["sh", "-c", "ls -la / >/dev/null; cat /etc/os-release >/dev/null; date; uname -a; ps ax; git --version; true"],
];

/**
 * All that the server does to a guest before it is saved, as text: a template that was made by another is made again. The number is
 * for what the commands don't say; a change to the steps of `run` below, or to a guest's first terminal, adds one.
 */
export const BUILD_VERSION = JSON.stringify({ version: 1, warming: WARMING });

export interface Build {
  readonly driver: VmDriver;
  readonly snapshots: VmSnapshots;
  readonly size: Size;
  readonly key: string;
  readonly onStep: (step: TemplateStep) => void;
  readonly signal: AbortSignal;
}

/**
 * Boots a guest, warms and seals it and saves it as a template. Whether it succeeds or not, or `signal` aborts, nothing of the machine
 * stays; what cannot be removed is left to the next start's recovery.
 */
export async function buildTemplate(context: MachineContext, build: Build): Promise<void> {
  const { clock, admission, log } = context;
  const { driver, size, signal } = build;
  // Its disk has its name: both are unowned, and a recovery removes them together.
  const machineId = MachineId.parse(context.random.id(16));
  const { memoryMib, cpus, diskMib } = SIZES[size];
  // Its memory is saved beside its disk.
  await admission.reserve(driver, machineId, { memoryMib, cpus, diskMib: diskMib + memoryMib });
  const made: Made = { machine: null, making: null };
  let step: TemplateStep = "disk";
  const error = (seconds: number) => new Error(`no end of step '${step}' ${seconds} s after the start`);
  const enter = (next: TemplateStep) => {
    step = next;
    build.onStep(next);
  };
  try {
    await withDeadline({ clock, timeoutMs: BUILD_MS, error, signal }, (bounded) =>
      run(context, { ...build, onStep: enter, signal: bounded }, machineId, made),
    );
  } finally {
    admission.release(machineId);
    if (made.making !== null)
      await endedWithin(clock, signal.aborted ? LAST_RELEASE_TIMEOUT_MS : RELEASE_TIMEOUT_MS, made.making);
    // The template is there or is not: what is left of its making must not decide about that.
    try {
      await releaseMachine(context, driver, { id: machineId, held: made.machine });
      await driver.removeDisk(machineId);
    } catch (cause) {
      log.error("what a template was made of is left behind", { machine: machineId, error: String(cause) });
    }
  }
}

interface Made {
  machine: Machine | null;
  /** The driver's call under way, of which something may come. */
  making: Promise<unknown> | null;
}

async function run(context: MachineContext, build: Build, machineId: MachineId, made: Made): Promise<void> {
  const { faults } = context;
  const { driver, snapshots, key, onStep, signal } = build;
  const { memoryMib, cpus, diskMib } = SIZES[build.size];
  const diskId = machineId as string;
  onStep("disk");
  made.making = driver.createDisk(diskId, { sizeMib: diskMib });
  await made.making;
  onStep("machine");
  const { link } = await attachNetwork(context, driver, machineId);
  signal.throwIfAborted();
  const limits = limitsFor(driver, { cpus });
  const plain = { machineId, memoryMib, cpus, diskId, environmentId: null, network: link, limits };
  const spec = { ...plain, isTemplateSource: true };
  const booting = driver.boot(spec, { signal });
  made.making = booting;
  made.machine = await booting;
  faults.hit("template.booted");
  onStep("kernel");
  const agent = await made.machine.agent({ timeoutMs: BUILD_MS, signal });
  onStep("agent");
  // An identity of no environment and of no network, thrown away: each guest that is restored from this gets its own.
  await agent.identify(bootIdentity(context, { diskId, name: "", network: { interface: null } }), { signal });
  onStep("warm");
  for (const command of WARMING) await runToEnd(agent, command, signal);
  const { id } = await openPrompt(context, agent, signal);
  await agent.closeTerminal(id, { signal });
  onStep("seal");
  await agent.seal({ signal });
  onStep("save");
  await snapshots.saveTemplate(machineId, key);
  faults.hit("template.saved");
}
