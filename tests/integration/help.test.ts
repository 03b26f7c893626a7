import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createProgram } from "../../packages/cli/src/program.ts";

const SCRIPT = join(import.meta.dirname, "../../microterm");
const SET_UP = ["up", "setup", "image", "down", "backup", "restore", "status", "doctor", "version", "test"];
const CLIENT = createProgram().commands.map((command) => command.name());

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mt-help-"));
  mkdirSync(join(folder, "checkout"));
  copyFileSync(SCRIPT, join(folder, "checkout/microterm"));
  // Whatever could have an effect leaves a trace instead.
  mkdirSync(join(folder, "bin"));
  for (const name of ["apt-get", "npm", "node", "sudo", "cargo", "useradd", "mkdir", "mktemp", "rm"]) {
    writeFileSync(join(folder, "bin", name), `#!/bin/sh\necho ${name} >>${folder}/effects\nexit 1\n`);
    chmodSync(join(folder, "bin", name), 0o755);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(script: string, args: readonly string[], path = process.env.PATH) {
  const env = {
    ...process.env,
    PATH: path,
    MICROTERM_DATA: join(folder, "data"),
    XDG_CACHE_HOME: join(tmpdir(), "mt-help-cache"),
  };
  const { status, stdout, stderr } = spawnSync(script, args, {
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { status, stdout, stderr };
}

describe.each(SET_UP)("the help of %s", (verb) => {
  it.each([["--help"], ["-h"], ["--destroy", "--yes", "--help"], ["unit", "-d", "--help"]])(
    "comes before any effect, in a checkout where nothing is set up: %s %s %s",
    (...args) => {
      const asked = run(
        join(folder, "checkout/microterm"),
        [verb, ...args],
        `${join(folder, "bin")}:${process.env.PATH}`,
      );
      expect(asked).toMatchObject({
        status: 0,
        stderr: "",
        stdout: expect.stringMatching(`^Usage: microterm ${verb} `),
      });
      expect(readdirSync(folder).sort()).toEqual(["bin", "checkout"]);
      expect(readdirSync(join(folder, "checkout"))).toEqual(["microterm"]);
    },
  );
});

it("help of every verb needs no server, and has no effect", () => {
  const all = run(SCRIPT, ["help"]).stdout;
  for (const verb of [...SET_UP, ...CLIENT]) {
    const asked = run(SCRIPT, ["help", verb]);
    expect(asked).toMatchObject({ status: 0, stderr: "", stdout: expect.stringMatching(`^Usage: microterm ${verb} `) });
    expect(all).toContain(verb);
  }
  expect(run(SCRIPT, ["ls", "--help"])).toEqual(run(SCRIPT, ["help", "ls"]));
  expect(readdirSync(folder).sort()).toEqual(["bin", "checkout"]);
});
