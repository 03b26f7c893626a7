import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { whoElseMayChange } from "./trusted-path.ts";

const NOBODY = 65_534;

let root: string;
let path: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mt-trust-"));
  path = join(root, "a/b/c");
  mkdirSync(path, { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe.runIf(process.getuid?.() === 0)("the users who may change what a path stands for", () => {
  it("is root alone where all on the way is root's, below /tmp too", () => {
    expect(whoElseMayChange(path)).toBeNull();
    expect(whoElseMayChange("/")).toBeNull();
    expect(() => whoElseMayChange(join(path, "none"))).toThrow("ENOENT");
  });

  it.each(["a", "a/b", "a/b/c"])("is the owner of %s, or who may write to it", (part) => {
    const at = join(root, part);
    chownSync(at, NOBODY, NOBODY);
    expect(whoElseMayChange(path)).toBe(`${at} belongs to uid ${NOBODY}`);
    chownSync(at, 0, 0);
    chmodSync(at, 0o777);
    expect(whoElseMayChange(path)).toBe(`others than root may write to ${at}`);
    chownSync(at, 0, NOBODY);
    chmodSync(at, 0o775);
    expect(whoElseMayChange(path)).toBe(`others than root may write to ${at}`);
    chmodSync(at, 0o755);
    expect(whoElseMayChange(path)).toBeNull();
  });

  it("is anybody in a folder with the sticky bit that is the path itself, and none where it lies on the way", () => {
    chmodSync(join(root, "a/b"), 0o1777);
    expect(whoElseMayChange(path)).toBeNull();
    expect(whoElseMayChange(join(root, "a/b"))).toContain("others than root");
  });

  it("is found behind links, and in the links themselves", () => {
    const link = join(root, "link");
    symlinkSync("a/b", link);
    expect(whoElseMayChange(join(link, "c"))).toBeNull();
    chmodSync(join(root, "a"), 0o777);
    expect(whoElseMayChange(join(link, "c"))).toContain(join(root, "a"));
    chmodSync(join(root, "a"), 0o755);
    lchownSync(link, NOBODY, NOBODY);
    expect(whoElseMayChange(join(link, "c"))).toContain(link);
    symlinkSync("loop", join(root, "loop"));
    expect(whoElseMayChange(join(root, "loop"))).toContain("without an end");
  });
});
