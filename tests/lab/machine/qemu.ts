import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pause, runCommand } from "@microterm/host";

/**
 * With two, each emulated by a thread of its own, QEMU 7.2 has let guests panic as they booted, and the lab's kernel with them (decision
 * 0026). One takes hardly longer: what runs here does one thing at a time.
 */
const CPUS = 1;
export const MEMORY_MIB = 4096;
/**
 * A periodic tick. QEMU (seen with 7.2) loses an interrupt at times: where a guest of the lab's leaves the processor, it clears a flag without
 * the lock that the thread which raises interrupts holds. A kernel that has set its timer for one shot then sleeps for ever, with that
 * interrupt pending; with a tick it is taken 4 ms later.
 */
const TICK = "nohz=off highres=off";
const KERNEL_WORDS = `console=ttyS0 quiet panic=-1 mitigations=off ${TICK}`;
/** Of the disk that tests write to; sparse. */
const SCRATCH_BYTES = 16 * 2 ** 30;
const POLL_MS = 250;

export interface LabMachine {
  readonly kernel: string;
  readonly initrd: string;
  /** Read-only; in the guest vda, vdb and vdc. */
  readonly disks: readonly [debian: string, modules: string, payload: string];
  /** Where console, log and results go. */
  readonly folder: string;
  /** Each piece of the log as it comes. */
  readonly onLog: (text: string) => void;
  /** Aborted when the machine has taken too long; it is killed then. */
  readonly signal: AbortSignal;
}

/** An ext4 without a name: it goes with the last process that has it open. */
async function makeScratch(folder: string): Promise<number> {
  const path = join(folder, "scratch.ext4");
  const file = await open(path, "w");
  await file.truncate(SCRATCH_BYTES);
  await file.close();
  const { code, stderr } = await runCommand(["mkfs.ext4", "-q", "-F", "-m0", "-Enodiscard,lazy_itable_init=1", path]);
  if (code !== 0) throw new Error(`mkfs.ext4 could not make the lab's disk: ${stderr}`);
  const descriptor = openSync(path, "r+");
  await rm(path);
  return descriptor;
}

function qemuArguments({ kernel, initrd, disks, folder }: LabMachine): readonly string[] {
  const words = ["-nodefaults", "-no-user-config", "-nographic", "-no-reboot"];
  // Emulated also where there is KVM: so that what runs in it is the same everywhere, nested KVM above all.
  words.push("-M", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max");
  words.push("-smp", String(CPUS), "-m", `${MEMORY_MIB}M`);
  words.push("-kernel", kernel, "-initrd", initrd, "-append", KERNEL_WORDS);
  for (const disk of disks) words.push("-drive", `file=${disk},format=raw,readonly=on,if=virtio,file.locking=off`);
  words.push("-drive", "file=/proc/self/fd/3,format=raw,if=virtio,discard=unmap,cache=unsafe,file.locking=off");
  words.push("-device", "virtio-serial-pci");
  for (const name of ["log", "results"]) {
    words.push("-chardev", `file,id=${name},path=${join(folder, name)}`);
    words.push("-device", `virtserialport,chardev=${name},name=lab.${name}`);
  }
  words.push("-serial", `file:${join(folder, "console")}`, "-object", "rng-random,id=rng,filename=/dev/urandom");
  words.push("-device", "virtio-rng-pci,rng=rng");
  return words;
}

/** Calls `onText` with what is added to a file, until `ended` resolves. */
async function follow(path: string, ended: Promise<unknown>, onText: (text: string) => void): Promise<void> {
  const file = await open(path);
  const decoder = new TextDecoder();
  const buffer = Buffer.alloc(65_536);
  let isLast = false;
  const atEnd = ended.then(() => {
    isLast = true;
  });
  for (let position = 0; ; ) {
    const wasLast = isLast;
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    position += bytesRead;
    if (bytesRead > 0) onText(decoder.decode(buffer.subarray(0, bytesRead), { stream: true }));
    else if (wasLast) break;
    else await Promise.race([pause(POLL_MS), atEnd]);
  }
  await file.close();
}

/** Boots it and waits for its end. It dies with this process, however that ends (PR_SET_PDEATHSIG). */
export async function runLabMachine(machine: LabMachine): Promise<void> {
  const { folder, signal } = machine;
  const scratch = await makeScratch(folder);
  const output = openSync(join(folder, "qemu"), "w");
  await writeFile(join(folder, "log"), "");
  const command = ["--pdeathsig", "KILL", "--", "qemu-system-x86_64", ...qemuArguments(machine)];
  const child = spawn("setpriv", command, { stdio: ["ignore", output, output, scratch] });
  for (const descriptor of [output, scratch]) closeSync(descriptor);
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", () => resolve());
  });
  const kill = (): void => void child.kill("SIGKILL");
  if (signal.aborted) kill();
  signal.addEventListener("abort", kill, { once: true });
  await Promise.all([ended, follow(join(folder, "log"), ended, machine.onLog)]);
  signal.removeEventListener("abort", kill);
}
