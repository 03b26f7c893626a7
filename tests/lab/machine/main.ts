/**
 * Runs tests in the KVM lab: an emulated machine with virtualisation of its own, Debian 13 and cgroup v2 (tests/README.md); or on
 * the host itself, where that has a KVM that works and cgroup v2.
 *
 *   main.ts [--report FILE] [TEST…]    TEST as vitest takes it; all of the project `lab` when there is none
 *
 * FILE gets vitest's JSON. Exit code 0 when all passed, or when the lab cannot run here, which is a skip that says why.
 */
import { existsSync } from "node:fs";
import { appendFile, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { freemem, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { commandRunner, runCommand } from "@microterm/host";
import { makeScratch, removeStaleScratch } from "../../../packages/images/src/scratch.ts";
import { obtainFirecracker } from "../../../support/firecracker-binaries.ts";
import { testCache } from "../../../support/test-image.ts";
import type { ReportLine } from "../../reporter.ts";
import { buildInitrd, type Debian, obtainDebian } from "./debian.ts";
import { absenceHere, runHere } from "./here.ts";
import { packModules, packPayload } from "./payload.ts";
import { type LabMachine, MEMORY_MIB, runLabMachine } from "./qemu.ts";

/** What PID 1 says first. A boot takes 5 to 10 s on a quiet machine. */
const READY = "lab: ready";
const BOOT_MS = 180_000;
const BOOTS = 2;
/** All tests together; several times what they take on a quiet machine. */
const RUN_MS = 40 * 60_000;
/** The machine's, and some for what runs beside it. */
const NEEDED_MIB = MEMORY_MIB + 1024;
const CONSOLE_LINES = 60;
/** Where a run that failed leaves its console, log and results. */
const KEPT = resolve(import.meta.dirname, "../../.artifacts/lab");

const { values, positionals } = parseArgs({ options: { report: { type: "string" } }, allowPositionals: true });
const say = (text: string): void => void process.stdout.write(text);

async function note(line: ReportLine): Promise<void> {
  if (process.env.MICROTERM_REPORT) await appendFile(process.env.MICROTERM_REPORT, `${JSON.stringify(line)}\n`);
}

async function skip(why: string): Promise<number> {
  say(`The lab is skipped: ${why}\n`);
  await note({ kind: "skipped", name: "tests/lab", note: why });
  if (values.report !== undefined) await writeFile(values.report, JSON.stringify({ numPendingTests: 1 }));
  return 0;
}

/** Its Debian, or why it cannot run on this host. */
async function prepare(cache: string): Promise<Debian | string> {
  if (process.platform !== "linux" || process.arch !== "x64") return "it needs x86-64 Linux";
  if (process.getuid?.() !== 0) return "its Debian and its guests' image are made by root";
  if (freemem() < NEEDED_MIB * 2 ** 20) return `it needs ${NEEDED_MIB} MiB of free memory`;
  const qemu = await runCommand(["qemu-system-x86_64", "--version"]).catch(() => null);
  if (qemu?.code !== 0) return "there is no qemu-system-x86_64";
  return obtainDebian(join(cache, "debian"));
}

const lastLines = async (path: string): Promise<string> =>
  (await readFile(path, "utf8").catch(() => "")).trimEnd().split("\n").slice(-CONSOLE_LINES).join("\n");

/** One boot, with its tests where it comes that far. */
async function bootOnce(machine: Omit<LabMachine, "onLog" | "signal">): Promise<"ran" | "no boot" | "too late"> {
  const late = new AbortController();
  const kill = () => late.abort();
  let timer = setTimeout(kill, BOOT_MS);
  let isReady = false;
  let said = "";
  const onLog = (text: string): void => {
    say(text);
    if (isReady) return;
    said += text;
    if (!said.includes(READY)) return;
    isReady = true;
    clearTimeout(timer);
    timer = setTimeout(kill, RUN_MS);
  };
  await runLabMachine({ ...machine, onLog, signal: late.signal });
  clearTimeout(timer);
  if (!isReady) return "no boot";
  return late.signal.aborted ? "too late" : "ran";
}

/** Takes over what the lab's vitest reported. Resolves with its exit code. */
async function takeResults(folder: string): Promise<number> {
  const results = join(folder, "out");
  await mkdir(results);
  const { code } = await runCommand(["tar", "-x", "-f", join(folder, "results"), "-C", results]);
  if (code !== 0 || !existsSync(join(results, "code"))) throw new Error("the lab ended without results");
  if (values.report !== undefined) await cp(join(results, "report.json"), values.report);
  const lines = await readFile(join(results, "report.jsonl"), "utf8").catch(() => "");
  if (process.env.MICROTERM_REPORT) await appendFile(process.env.MICROTERM_REPORT, lines);
  return Number(await readFile(join(results, "code"), "utf8"));
}

async function run(folder: string): Promise<number> {
  const cache = join(testCache(), "lab");
  const firecracker = await obtainFirecracker(cache);
  if ("absence" in firecracker) {
    say(`Firecracker's tests are skipped: ${firecracker.absence}\n`);
    await note({ kind: "skipped", name: "tests/lab/firecracker*", note: firecracker.absence });
  }
  const absence = await absenceHere();
  if (absence === null) {
    say("This host has a KVM that works: the lab's tests run on it directly.\n");
    return runHere(positionals, values.report, firecracker);
  }
  say(`The lab is emulated, for this host cannot run its tests itself: ${absence}\n`);
  const debian = await prepare(cache);
  if (typeof debian === "string") return skip(debian);
  const initrd = join(folder, "initrd.cpio");
  await writeFile(initrd, await buildInitrd(debian));
  const modules = await packModules(cache);
  const payload = await packPayload({ cache, folder, tests: positionals, firecracker });
  const machine = { kernel: debian.kernel, initrd, disks: [debian.root, modules, payload], folder } as const;
  for (let boot = 1; ; boot++) {
    const end = await bootOnce(machine);
    if (end === "ran") return takeResults(folder);
    const console = await lastLines(join(folder, "console"));
    if (end === "too late") throw new Error(`the lab's tests had not ended after ${RUN_MS / 60_000} min\n${console}`);
    const why = `the lab did not boot within ${BOOT_MS / 1000} s: ${await lastLines(join(folder, "qemu"))}\n${console}`;
    if (boot === BOOTS) throw new Error(why);
    say(`${why}\nBooting it once more\n`);
    await note({ kind: "retried", name: "tests/lab (boot)", note: why });
  }
}

// Those of runs that were killed are removed by the next one.
await removeStaleScratch(tmpdir(), commandRunner);
const folder = await makeScratch(tmpdir());
let code = 1;
try {
  code = await run(folder);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  say(`${message}\n`);
  await note({ kind: "failed", name: "tests/lab", note: message });
}
if (code !== 0) {
  await rm(KEPT, { recursive: true, force: true });
  for (const name of ["console", "qemu", "log", "out"]) {
    if (existsSync(join(folder, name))) await cp(join(folder, name), join(KEPT, name), { recursive: true });
  }
  say(`Console, log and results of the lab are in ${KEPT}\n`);
}
await rm(folder, { recursive: true, force: true });
process.exit(code);
