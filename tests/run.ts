/**
 * `./microterm test [KIND…]`: every check of the project, one after the other, and one closing line over all runners.
 *
 * KIND is one of the names in STEPS (static, rust, unit, contract, style, fuzz, integration, security, vm, e2e), all of them when none
 * is given; `--soak` runs the long forms of tests that have one.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { addTally, cargoTally, EMPTY_TALLY, type Tally, vitestTally } from "./tally.ts";

const root = resolve(import.meta.dirname, "..");
const scratch = mkdtempSync(join(tmpdir(), "microterm-test-"));
const node = process.execPath;
const bin = (name: string) => join(root, "node_modules", name);
const retries = join(scratch, "retries");
const soak = process.argv.includes("--soak");

/** Tools are run by Node 24 itself, whatever Node the system has. */
const STATIC: readonly (readonly [string, readonly string[]])[] = [
  ["biome", [bin("@biomejs/biome/bin/biome"), "check", "--error-on-warnings"]],
  ["types: server side", [bin("typescript-native/bin/tsc"), "-p", "tsconfig.json"]],
  ["types: protocol and core are pure", [bin("typescript-native/bin/tsc"), "-p", "tsconfig.pure.json"]],
  ["types: sdk", [bin("typescript-native/bin/tsc"), "-p", "packages/sdk/tsconfig.json"]],
  ["types: screen", [bin("typescript-native/bin/tsc"), "-p", "packages/screen/tsconfig.json"]],
  ["types: web", [bin("typescript-native/bin/tsc"), "-p", "packages/web/tsconfig.json"]],
  ["knip", [bin("knip/bin/knip.js")]],
  ["layers", [bin("dependency-cruiser/bin/dependency-cruiser.mjs"), "--config", ".dependency-cruiser.cjs", "packages"]],
];

const RUST: readonly (readonly [string, readonly string[]])[] = [
  ["rustfmt", ["cargo", "fmt", "--check"]],
  ["clippy", ["cargo", "clippy", "--release", "--locked", "--all-targets", "--", "-D", "warnings"]],
];

/** Whatever is asked for rests on what these do. */
const ALWAYS: ReadonlySet<string> = new Set(["build", "leftovers"]);

type StepFunction = () => Tally;

/** Built once, and named to every later runner by MICROTERM_BIN, so that none of them starts cargo again. */
const BUILD: readonly (readonly [string, readonly string[], string])[] = [
  [
    "agent and daemon build",
    ["cargo", "build", "--release", "--locked", "-p", "microterm-agent", "-p", "microterm-host"],
    "rust",
  ],
  ["page builds", [node, bin("vite/bin/vite.js"), "build", "--logLevel", "warn"], "packages/web"],
];

const STEPS: Readonly<Record<string, StepFunction>> = {
  build: () =>
    BUILD.reduce((tally, [name, command, cwd]) => addTally(tally, check(name, command, join(root, cwd))), EMPTY_TALLY),
  static: () => {
    let tally = EMPTY_TALLY;
    for (const [name, args] of STATIC) tally = addTally(tally, check(name, [node, ...args], root));
    return addTally(tally, check("shellcheck", ["shellcheck", "microterm", ".ci/run"], root));
  },
  rust: () => {
    let tally = EMPTY_TALLY;
    for (const [name, command] of RUST) tally = addTally(tally, rustCheck(name, command));
    const tests = run(["cargo", "test", "--release", "--locked", "--no-fail-fast"], join(root, "rust"));
    return addTally(tally, cargoTally(tests.output, tests.code));
  },
  unit: () => vitest("unit"),
  contract: () => vitest("contract"),
  style: () => vitest("style"),
  fuzz: () => vitest("fuzz"),
  integration: () => vitest("integration"),
  security: () => vitest("security"),
  vm: () => vitest("vm"),
  e2e: () => vitest("e2e"),
  leftovers: () =>
    check("nothing of a test is left on the host", [node, join(root, "tests/leftovers.ts"), baseline], root),
};

function check(name: string, command: readonly string[], cwd: string): Tally {
  const result = run(command, cwd);
  console.log(`${result.code === 0 ? "✓" : "✗"} ${name}`);
  return result.code === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/** Debian's cargo-web comes without rustfmt and clippy; their packages are asked for by the test's needs, else it is a skip that says so. */
function rustCheck(name: string, command: readonly string[]): Tally {
  const tool = command[1] === "fmt" ? "fmt" : "clippy";
  if (spawnSync("cargo", [tool, "--version"], { cwd: join(root, "rust") }).status === 0)
    return check(name, command, join(root, "rust"));
  console.log(`- ${name} skipped: this machine's cargo has no ${tool}`);
  return { passed: 0, failed: 0, skipped: 1 };
}

function vitest(project: string): Tally {
  const report = join(scratch, `${project}.json`);
  const args = ["run", "--project", project, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  args.push(`--reporter=${join(root, "tests/retries.ts")}`);
  const result = run([node, bin("vitest/vitest.mjs"), ...args], root);
  let text = "";
  try {
    text = readFileSync(report, "utf8");
  } catch {
    // No report: vitest itself has failed, which vitestTally counts.
  }
  return vitestTally(text, result.code);
}

/** Output goes to the terminal as it comes; what a runner prints last is kept for its count. */
function run(command: readonly string[], cwd: string): { code: number; output: string } {
  const [program = "", ...args] = command;
  const capture = program === "cargo" && args[0] === "test";
  const result = spawnSync(program, args, {
    cwd,
    stdio: ["ignore", capture ? "pipe" : "inherit", "inherit"],
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    env: {
      ...process.env,
      PATH: `${join(node, "..")}:${process.env.PATH}`,
      MICROTERM_RETRIES: retries,
      ...(soak ? { MICROTERM_SOAK: "1" } : {}),
    },
  });
  if (capture) process.stdout.write(result.stdout);
  return { code: result.status ?? 1, output: capture ? result.stdout : "" };
}

const wanted = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const unknown = wanted.filter((kind) => STEPS[kind] === undefined);
if (unknown.length > 0) {
  console.error(
    `microterm: no kind of test is called ${unknown.join(", ")}\n  Try: ./microterm test ${Object.keys(STEPS).join(" ")}`,
  );
  process.exit(2);
}

const baseline = join(scratch, "before.json");
run([node, join(root, "tests/leftovers.ts"), "--record", baseline], root);
let total = EMPTY_TALLY;
for (const [kind, step] of Object.entries(STEPS)) {
  if (wanted.length > 0 && !wanted.includes(kind) && !ALWAYS.has(kind)) continue;
  const started = performance.now();
  console.log(`\n=== ${kind}`);
  const tally = step();
  total = addTally(total, tally);
  console.log(
    `=== ${kind}: ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped (${((performance.now() - started) / 1000).toFixed(0)} s)`,
  );
}
const retried = existsSync(retries) ? readFileSync(retries, "utf8") : "";
rmSync(scratch, { recursive: true, force: true });
if (retried !== "") console.log(`\nPassed only at the second try:\n${retried}`);
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
