import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { COMMANDS } from "../../packages/web/src/commands/table.ts";

const SOURCES = resolve(import.meta.dirname, "../../packages/web/src");

it("the table of the page's commands has every command that a part of the page does, and no other", () => {
  const text = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".tsx"))
    .map((path) => readFileSync(resolve(SOURCES, path), "utf8"))
    .join("\n");
  const done = [...text.matchAll(/(?:data-command|\bcommand)="([a-z.-]+)"|useCommand\(\s*"([a-z.-]+)"/g)];
  // The palette is opened by its own keys and button.
  const ids = new Set(["page.palette", ...done.map(([, button, handler]) => button ?? handler)]);
  expect([...ids].sort()).toEqual(Object.keys(COMMANDS).sort());
});

it("the table of the page's commands has no name and no key twice", () => {
  const all = Object.values(COMMANDS);
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  const keys = all.flatMap((command) => ("keys" in command ? [command.keys] : []));
  expect(new Set(keys).size).toBe(keys.length);
});
