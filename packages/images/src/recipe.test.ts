import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { imageKey, parsePackageList, readPackages } from "./recipe.ts";

let folder: string;
let agentBinary: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "microterm-recipe-"));
  agentBinary = join(folder, "agent");
  await writeFile(agentBinary, "one");
});

afterEach(() => rm(folder, { recursive: true }));

describe("imageKey", () => {
  test("is the same for the same inputs, and differs by agent, by suite and by packages", async () => {
    const key = await imageKey({ agentBinary, suite: "bookworm" });
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(await imageKey({ agentBinary, suite: "bookworm" })).toBe(key);
    expect(await imageKey({ agentBinary, suite: "trixie" })).not.toBe(key);
    expect(await imageKey({ agentBinary, suite: "bookworm", packages: ["kmod"] })).not.toBe(key);
    await writeFile(agentBinary, "two");
    expect(await imageKey({ agentBinary, suite: "bookworm" })).not.toBe(key);
  });
});

test("the package list holds plain names, each once and in order", async () => {
  const packages = await readPackages();
  expect(packages.filter((name) => !/^[a-z0-9][a-z0-9+.-]+$/.test(name))).toEqual([]);
  expect(packages).toEqual([...new Set(packages)].sort());
  expect(parsePackageList("# a\n\n git \nvim\n")).toEqual(["git", "vim"]);
});
