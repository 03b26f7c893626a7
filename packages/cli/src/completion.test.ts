import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { completion, type Shell } from "./completion.ts";
import { createProgram } from "./program.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mt-completion-"));
  writeFileSync(
    join(folder, "microterm"),
    '#!/bin/sh\n[ "$*" = "ls -o name" ] && printf "demo\\nother\\n"\n[ "$*" = "network ls -o name" ] && printf "team\\nlab\\n"\n',
  );
  chmodSync(join(folder, "microterm"), 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function shell(name: Shell, script: string): string {
  const path = join(folder, `completion.${name}`);
  writeFileSync(path, completion(createProgram(), name));
  const { status, stdout, stderr } = spawnSync(name, ["-c", script.replaceAll("SCRIPT", path)], {
    encoding: "utf8",
    env: { PATH: `${folder}:${process.env.PATH}`, HOME: folder },
  });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
}

/** What bash would offer for the last of some words. */
const inBash = (...words: readonly string[]): readonly string[] =>
  shell(
    "bash",
    `. SCRIPT; COMP_WORDS=(microterm ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}; _microterm; printf '%s\\n' "\${COMPREPLY[@]}"`,
  )
    .split("\n")
    .filter((line) => line !== "");

describe("bash", () => {
  it("completes every verb, and every option of it", () => {
    expect(inBash("")).toEqual(expect.arrayContaining(["up", "test", "help"]));
    for (const command of createProgram().commands) {
      expect(inBash(command.name().slice(0, -1)), command.name()).toContain(command.name());
      const long = command.options.filter(({ hidden }) => !hidden).map((option) => option.long);
      expect(inBash(command.name(), "--"), command.name()).toEqual(expect.arrayContaining([...long, "--help"]));
    }
    expect(inBash("up", "--al")).toEqual(["--allow-host", "--allow-private"]);
  });

  it("completes names of environments, an option's choices, and shells", () => {
    expect(inBash("exec", "d")).toEqual(["demo"]);
    expect(inBash("rm", "demo", "o")).toEqual(["other"]);
    expect(inBash("create", "--size", "")).toEqual(["small", "medium", "large"]);
    expect(inBash("ls", "-o", "j")).toEqual(["json"]);
    expect(inBash("completion", "")).toEqual(expect.arrayContaining(["bash", "zsh", "fish"]));
    expect(inBash("ls", "d")).toEqual([]);
  });
});

/** What is offered for the last of some words by each shell that says so. */
const inFish = (...words: readonly string[]): readonly string[] =>
  shell("fish", `source SCRIPT; complete -C '${["microterm", ...words].join(" ")}'`)
    .split("\n")
    .map((line) => line.split("\t")[0] as string)
    .filter((word) => word !== "");

describe.each([
  ["bash", inBash],
  ["fish", inFish],
] as const)("the verbs of `network` in %s", (_shell, offered) => {
  const VERBS = ["create", "join", "leave", "ls", "rm"];
  const plain = (...words: readonly string[]) => offered("network", ...words).filter((word) => !word.startsWith("-"));

  it("are offered beside environments, and only as its first word", () => {
    expect([...plain("")].sort()).toEqual([...VERBS, "demo", "other"].sort());
    expect(plain("jo")).toEqual(["join"]);
    expect(plain("demo", "jo")).toEqual([]);
  });

  it("complete networks, environments and options of their own", () => {
    expect([...plain("rm", "")].sort()).toEqual(["lab", "team"]);
    expect(plain("rm", "lab", "t")).toEqual(["team"]);
    expect([...plain("join", "")].sort()).toEqual(["lab", "team"]);
    expect(plain("join", "team", "d")).toEqual(["demo"]);
    expect(plain("join", "team", "demo", "o")).toEqual(["other"]);
    expect(plain("leave", "d")).toEqual(["demo"]);
    expect([plain("create", ""), plain("ls", "")]).toEqual([[], []]);
    expect([...plain("ls", "-o", "")].sort()).toEqual(["json", "name", "yaml"]);
    expect(offered("network", "create", "--")).not.toContain("--size");
  });
});

it("zsh reads it", () => {
  expect(shell("zsh", "autoload -U compinit && compinit -u; . SCRIPT; whence -w _microterm")).toContain("function");
});

it("fish completes verbs and names by it", () => {
  expect(shell("fish", "source SCRIPT; complete -C 'microterm exec '")).toContain("demo");
});

it.each(["zsh", "fish"] as const)("%s completes every verb", (name) => {
  for (const command of createProgram().commands) expect(completion(createProgram(), name)).toContain(command.name());
});
