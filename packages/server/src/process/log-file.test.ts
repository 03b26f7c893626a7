import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createLogFile } from "./log-file.ts";

it("a log moves aside when it is full, and there is one predecessor at most", () => {
  const folder = mkdtempSync(join(tmpdir(), "mt-log-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "server.log");
  const log = createLogFile(path);
  const line = `${"x".repeat(999_999)}\n`;
  for (let index = 0; index < 35; index++) log.write(line);
  log.write("last\n");
  expect(readFileSync(path, "utf8").endsWith("last\n")).toBe(true);
  expect(statSync(path).size + statSync(`${path}.1`).size).toBeLessThan(23_000_000);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const again = createLogFile(path);
  again.write("appended\n");
  expect(readFileSync(path, "utf8").endsWith("last\nappended\n")).toBe(true);
});
