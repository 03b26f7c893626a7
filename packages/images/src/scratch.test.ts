import { chown, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { commandRunner } from "@microterm/host";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeScratch, removeStaleScratch } from "./scratch.ts";

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "microterm-scratch-"));
});

afterEach(() => rm(parent, { recursive: true }));

test("removes what dead builds left, and keeps a living build's and other people's folders", async () => {
  const living = await makeScratch(parent);
  const reused = basename(living).replace(/-\d+-[^-]+$/, "-1-abcdef");
  const uid = process.getuid?.();
  for (const name of [reused, `microterm-image-${uid}-4194999-7-abcdef`, "microterm-image-424242-1-1-x", "other"]) {
    await mkdir(join(parent, name));
    await writeFile(join(parent, name, "file"), "x");
  }
  expect(await removeStaleScratch(parent, commandRunner)).toBe(2);
  expect((await readdir(parent)).sort()).toEqual([basename(living), "microterm-image-424242-1-1-x", "other"].sort());
});

test.runIf(process.getuid?.() === 0)("removes nothing that somebody else has given such a name", async () => {
  const trap = "microterm-image-0-4194999-7-abcdef";
  await mkdir(join(parent, trap));
  await chown(join(parent, trap), 65_534, 65_534);
  expect(await removeStaleScratch(parent, commandRunner)).toBe(0);
  expect(await readdir(parent)).toEqual([trap]);
});
