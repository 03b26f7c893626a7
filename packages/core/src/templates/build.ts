import { MachineId, SIZES, type Size, type TemplateStep } from "@microterm/protocol";
import type { Foundation } from "../environments/foundation.ts";
import { bootIdentity } from "../environments/identity.ts";
import { releaseMachine } from "../environments/machines.ts";
import type { Machine, VmSnapshots } from "../ports/vm-driver.ts";
import { settled, withDeadline } from "../time/deadline.ts";
import { openPrompt, runToEnd } from "./guest.ts";

/** From its disk to what is saved. A boot of an emulated guest takes 3 to 10 s, and a host may be busy. */
const BUILD_MS = 180_000;
const SETTLE_MS = 10_000;
/** The same at the end of the server, which somebody waits for. */
const LAST_SETTLE_MS = 3_000;

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
export const RECIPE = JSON.stringify({ version: 1, warming: WARMING });

export interface Build {
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
export async function buildTemplate(foundation: Foundation, build: Build): Promise<void> {
  const { driver, clock, admission, log } = foundation;
  const { size, signal } = build;
  // Its disk has its name: both are unowned, and a recovery removes them together.
  const machineId = MachineId.parse(foundation.random.id(16));
  await admission.reserve(machineId, SIZES[size]);
  const made: Made = { machine: null, making: null };
  let step: TemplateStep = "disk";
  const error = () => new Error(`no end of step '${step}' ${BUILD_MS / 1000} s after the start`);
  const enter = (next: TemplateStep) => {
    step = next;
    build.onStep(next);
  };
  try {
    await withDeadline({ clock, timeoutMs: BUILD_MS, error, signal }, (bounded) =>
      run(foundation, { ...build, onStep: enter, signal: bounded }, machineId, made),
    );
  } finally {
    admission.release(machineId);
    if (made.making !== null) await settled(clock, signal.aborted ? LAST_SETTLE_MS : SETTLE_MS, made.making);
    // The template is there or is not: what is left of its making must not decide about that.
    try {
      await releaseMachine(foundation, machineId, made.machine ?? undefined);
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

async function run(foundation: Foundation, build: Build, machineId: MachineId, made: Made): Promise<void> {
  const { driver, network, faults } = foundation;
  const { snapshots, key, onStep, signal } = build;
  const { memoryMib, cpus, diskMib } = SIZES[build.size];
  const diskId = machineId as string;
  onStep("disk");
  made.making = driver.createDisk(diskId, { sizeMib: diskMib });
  await made.making;
  onStep("machine");
  await network.attach(machineId);
  signal.throwIfAborted();
  const spec = { machineId, memoryMib, cpus, diskId, environmentId: null, isTemplateSource: true };
  const booting = driver.boot(spec, { signal });
  made.making = booting;
  made.machine = await booting;
  faults.hit("template.booted");
  onStep("kernel");
  const agent = await made.machine.agent({ timeoutMs: BUILD_MS, signal });
  onStep("agent");
  // An identity of no environment, thrown away: each guest that is restored from this gets its own.
  await agent.identify(bootIdentity(foundation, { diskId, name: "" }), { signal });
  onStep("warm");
  for (const command of WARMING) await runToEnd(agent, command, signal);
  const { id } = await openPrompt(foundation, agent, signal);
  await agent.closeTerminal(id, { signal });
  onStep("seal");
  await agent.seal({ signal });
  onStep("save");
  await snapshots.saveTemplate(machineId, key);
  faults.hit("template.saved");
}
