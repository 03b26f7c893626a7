import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openIdentity } from "./identity.ts";

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "microterm-identity-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "identity.json");
}

it("is made once, for its owner alone, and is the same from then on", () => {
  const path = scratch();
  const made = openIdentity(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(openIdentity(path)).toEqual(made);
});

it("is never made anew over one that cannot be read: agents believe no other", () => {
  const path = scratch();
  writeFileSync(path, "{");
  expect(() => openIdentity(path)).toThrow(`${path} cannot be read`);
  expect(readFileSync(path, "utf8")).toBe("{");
});
