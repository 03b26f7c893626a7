import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { treeHash } from "./tree-hash.ts";

it("changes with names and contents, and not with what builds leave behind", () => {
  const root = mkdtempSync(join(tmpdir(), "microterm-hash-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "rust/src"), { recursive: true });
  writeFileSync(join(root, "rust/src/a.rs"), "1");
  const first = treeHash(root, ["rust"]);
  expect(first).toMatch(/^[0-9a-f]{16}$/);

  mkdirSync(join(root, "rust/target"));
  writeFileSync(join(root, "rust/target/built"), "x");
  expect(treeHash(root, ["rust"])).toBe(first);

  writeFileSync(join(root, "rust/src/a.rs"), "2");
  const second = treeHash(root, ["rust"]);
  expect(second).not.toBe(first);

  renameSync(join(root, "rust/src/a.rs"), join(root, "rust/src/b.rs"));
  expect(treeHash(root, ["rust"])).not.toBe(second);
});
