import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const packages = join(import.meta.dirname, "../../..");
const dependencies = (name: string): Record<string, string> => {
  const { dependencies: needed = {}, devDependencies = {} } = JSON.parse(
    readFileSync(join(packages, name, "package.json"), "utf8"),
  ) as Record<"dependencies" | "devDependencies", Record<string, string> | undefined>;
  return { ...needed, ...devDependencies };
};
const installed = (name: string): string =>
  (JSON.parse(readFileSync(join(packages, "../node_modules", name, "package.json"), "utf8")) as { version: string })
    .version;

test("page and server draw with one version of xterm.js, the one whose faults are known and that programs are given", () => {
  const version = installed("@xterm/xterm");
  expect(installed("@xterm/headless")).toBe(version);
  expect(dependencies("web")["@xterm/xterm"]).toBe(version);
  for (const name of ["server", "screen"]) expect(dependencies(name)["@xterm/headless"]).toBe(version);
  const graphemes = installed("@xterm/addon-unicode-graphemes");
  for (const name of ["web", "server", "screen"]) {
    expect(dependencies(name)["@xterm/addon-unicode-graphemes"]).toBe(graphemes);
  }
  const read = (path: string): string => readFileSync(join(packages, path), "utf8");
  expect(read("screen/src/upstream/index.ts")).toContain(`as of ${version}`);
  expect(read("server/src/terminal/screen/xterm/query-answers.ts")).toContain(`xterm.js(${version})`);
});
