/** What the agent and the daemon are sent: rust/fuzz, guided by coverage (libFuzzer). */
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SECONDS } from "./budget.ts";

const run = promisify(execFile);
const FUZZ = join(import.meta.dirname, "../../rust/fuzz");
const TRIPLE = "x86_64-unknown-linux-gnu";
/** What `cargo fuzz` gives a nightly compiler, as far as a stable one has it: counters, and operands of comparisons. */
const COVERAGE = [
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=4",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table",
  "-Cllvm-args=-sanitizer-coverage-trace-compares",
  "-Ccodegen-units=1",
];

/** What to begin with, where chance does not come upon it. */
const request = (verb: string, args: object): string => JSON.stringify({ id: 1, verb, args });
const SEEDS: Readonly<Record<string, readonly string[]>> = {
  answer: [
    'HTTP/1.1 400 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\nContent-Length: 21\r\n\r\n{"fault_message":"x"}',
    "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  request: [
    request("machine.launch", {
      machineId: "machine1",
      image: "image123",
      diskId: "disk1234",
      memoryMib: 512,
      cpus: 1,
      accelerator: "tcg",
      magic: "00112233445566778899aabbccddeeff",
      labels: { environment: "environ1" },
      memory: { template: "0123456789abcdef" },
    }),
    request("disk.create", { diskId: "disk1234", sizeMib: 64 }),
    request("machine.save", { machineId: "machine1", saveId: "save1234" }),
    request("scan", { ids: ["machine1", "machine2"] }),
    request("hello", {}),
  ],
};

let findings: string;
beforeAll(async () => {
  findings = await mkdtemp(join(tmpdir(), "mt-fuzz-"));
  // With a target named, the flags are for its code alone and not for build scripts.
  await run("cargo", ["build", "--release", "--locked", "--target", TRIPLE], {
    cwd: FUZZ,
    env: { ...process.env, RUSTFLAGS: COVERAGE.join(" "), CARGO_TARGET_DIR: join(FUZZ, "target") },
    maxBuffer: 64 * 1024 * 1024,
  });
}, 900_000);
afterAll(() => rm(findings, { recursive: true, force: true }));

describe("what comes in, fuzzed", () => {
  it.each(["answer", "frames", "marker", "stream", "request"])(
    "%s hold whatever the bytes and wherever they are cut",
    {
      timeout: (SECONDS + 300) * 1000,
    },
    async (target) => {
      // Kept from run to run, so that each begins where the last has come to.
      const corpus = join(FUZZ, "target/corpus", target);
      mkdirSync(corpus, { recursive: true });
      for (const [at, seed] of (SEEDS[target] ?? []).entries()) writeFileSync(join(corpus, `seed-${at}`), seed);
      const options = [
        `-max_total_time=${SECONDS}`,
        "-max_len=4096",
        "-rss_limit_mb=512",
        "-timeout=60",
        "-verbosity=0",
      ];
      const program = join(FUZZ, "target", TRIPLE, "release", target);
      const said = await run(program, [
        ...options,
        "-print_final_stats=1",
        `-artifact_prefix=${findings}/`,
        corpus,
      ]).then(
        ({ stderr }) => stderr,
        (error: { stderr: string }) => {
          const inputs = readdirSync(findings).map((name) => `${name}: ${readFileSync(join(findings, name), "hex")}`);
          throw new Error(`${error.stderr.slice(-3000)}\n${inputs.join("\n")}`);
        },
      );
      expect(Number(/number_of_executed_units: (\d+)/.exec(said)?.[1])).toBeGreaterThan(1000);
    },
  );
});
