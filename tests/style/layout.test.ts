import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((file) => file !== "");
const source = files.filter((file) => /\.(ts|tsx|rs)$/.test(file));
const isTest = (file: string) => /\.test\.tsx?$|(^|[/_])tests\.rs$|\/tests\//.test(file);

/** Folders that are no folders any more, but heaps. */
const flat = (all: readonly string[]): string[] =>
  [...Map.groupBy(all, dirname)].filter(([, inside]) => inside.length > 14).map(([folder]) => folder);

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

  it("has no folder of more than 14 sources in a package or a crate, tests aside", () => {
    // Of migrations there are ever more, and none is put together with another.
    const parts = source.filter(
      (file) => /^(packages|rust)\/[^/]+\/src\//.test(file) && !isTest(file) && !file.includes("/migrations/"),
    );
    expect(parts.length).toBeGreaterThan(500);
    expect(flat(parts)).toEqual([]);
    expect(flat(Array.from({ length: 15 }, (_, at) => `packages/core/src/many/${at}.ts`))).toEqual([
      "packages/core/src/many",
    ]);
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
