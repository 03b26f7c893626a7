import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { firecrackerCheck } from "./firecracker-check.ts";

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "mt-fc-"));
  // Root takes nothing from a folder in which others may write.
  chmodSync(cache, 0o755);
});
afterEach(() => rmSync(cache, { recursive: true }));

const check = (hello: Parameters<typeof firecrackerCheck>[0], env = {}) =>
  firecrackerCheck(hello, { MICROTERM_CACHE: cache, ...env });
const daemon = (version: string | null, problem: string | null) => ({ firecracker: { version, problem } });

function setUp(): void {
  mkdirSync(join(cache, "firecracker"));
  for (const name of ["firecracker", "jailer"]) writeFileSync(join(cache, "firecracker", name), "", { mode: 0o755 });
}

it("says where there is none, which is no fault, and how to get it", () => {
  const text = expect.stringMatching(/no Firecracker \(.\/microterm setup firecracker\)/);
  expect(check(daemon(null, "none was named"))).toMatchObject({ status: "ok", text });
});

it("says what the daemon makes of the one that there is", () => {
  setUp();
  expect(check(null)).toMatchObject({ status: "ok", text: expect.stringContaining(cache) });
  expect(check(daemon("1.12.1", null))).toMatchObject({ status: "ok", text: expect.stringMatching(/^1\.12\.1: /) });
  expect(check(daemon("1.14.0", null)).text).toContain("1.14.0, which is not tested");
  expect(check(daemon(null, "it is for another architecture"))).toMatchObject({
    status: "warn",
    text: expect.stringContaining("cannot be used: it is for another architecture"),
    fix: expect.stringContaining("./microterm setup firecracker"),
  });
});

it("says which name leads nowhere", () => {
  expect(check(null, { MICROTERM_JAILER: "/no/such" })).toMatchObject({
    status: "warn",
    text: expect.stringContaining("MICROTERM_JAILER names /no/such"),
  });
});
