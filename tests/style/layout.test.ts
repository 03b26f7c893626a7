import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "");
const source = files.filter((file) => /\.(ts|tsx|rs)$/.test(file));

describe("the tree", () => {
  it("has kebab-case names for TypeScript and snake_case for Rust", () => {
    const wrong = source.filter((file) =>
      file.endsWith(".rs")
        ? !/^[a-z0-9_]+\.rs$/.test(basename(file))
        : !/^[a-z0-9]+([-.][a-z0-9]+)*\.tsx?$/.test(basename(file)),
    );
    expect(wrong).toEqual([]);
  });

  it("has no files named utils, helpers, common or the like", () => {
    expect(source.filter((file) => /(^|[/.-])(utils?|helpers?|manager|common|misc|inner)([/.-]|$)/.test(file))).toEqual(
      [],
    );
  });

  it("has no file over 400 lines", () => {
    const long = source.filter((file) => readFileSync(join(root, file), "utf8").split("\n").length > 401);
    expect(long).toEqual([]);
  });

  it("names no path of one developer's machine", () => {
    const found = files
      .filter((file) => !/\.(png|woff2|ico|lock)$|package-lock\.json$/.test(file))
      .flatMap((file) => {
        const text = readFileSync(join(root, file), "utf8");
        return [...text.matchAll(/(?<![\w.$}])\/(work|farm)\/[a-z][\w/-]*/g)].map((match) => `${file}: ${match[0]}`);
      });
    expect(found.filter((line) => !line.startsWith("tests/style/layout.test.ts"))).toEqual([]);
  });
});
