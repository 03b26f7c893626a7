import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findFirecracker } from "./programs.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mt-fc-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function program(...path: readonly string[]): string {
  const file = join(root, ...path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, "");
  chmodSync(file, 0o755);
  return file;
}
const find = (env: NodeJS.ProcessEnv = {}) => findFirecracker({ env, cache: join(root, "cache") });

it("takes what the environment names, then what was set up, then what is on the path", () => {
  const PATH = `${join(root, "bin")}:relative`;
  const onPath = { firecracker: program("bin/firecracker"), jailer: program("bin/jailer") };
  expect(find({ PATH })).toEqual(onPath);
  const setUp = { firecracker: program("cache/firecracker/firecracker"), jailer: program("cache/firecracker/jailer") };
  expect(find({ PATH })).toEqual(setUp);
  const jailer = program("mine/jailer-v1");
  expect(find({ PATH, MICROTERM_JAILER: jailer })).toEqual({ ...setUp, jailer });
  expect(find({ PATH, MICROTERM_JAILER: "" })).toEqual(setUp);
});

it("follows links, so that what is run is what was looked at", () => {
  const firecracker = program("release/firecracker-v1");
  mkdirSync(join(root, "bin"));
  symlinkSync(firecracker, join(root, "bin/firecracker"));
  program("bin/jailer");
  expect(find({ PATH: join(root, "bin") })).toMatchObject({ firecracker });
});

it("says which is missing, and how to get it", () => {
  expect(find()).toEqual({ absence: "there is no Firecracker (./microterm setup firecracker)" });
  const firecracker = program("bin/firecracker");
  const { absence } = find({ PATH: join(root, "bin") }) as { absence: string };
  expect(absence).toContain(`no jailer for ${firecracker}`);
});

it("passes over what is no program, and refuses one that is named", () => {
  mkdirSync(join(root, "cache/firecracker/firecracker"), { recursive: true });
  writeFileSync(join(root, "cache/firecracker/jailer"), "", { mode: 0o644 });
  expect(find()).toHaveProperty("absence");
  const named = join(root, "cache/firecracker/jailer");
  expect(() => find({ MICROTERM_JAILER: named })).toThrow(`MICROTERM_JAILER names ${named}, which is no program`);
  expect(() => find({ MICROTERM_FIRECRACKER: "/no/such" })).toThrow("MICROTERM_FIRECRACKER names /no/such");
});
