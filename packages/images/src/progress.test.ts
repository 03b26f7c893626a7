import { expect, test } from "vitest";
import { type BuildProgress, createProgress, followBootstrap } from "./progress.ts";

test("follows mmdebstrap's lines, and its fraction never falls or passes 1", () => {
  const seen: BuildProgress[] = [];
  const progress = createProgress((report) => seen.push(report));
  progress.report("sources", "Asking");
  const line = followBootstrap(progress);
  line("Get:1 http://deb.example/debian bookworm InRelease [151 kB]");
  line("Get:7 http://deb.example/debian bookworm/main amd64 bash amd64 5.2.15-2+b8 [1491 kB]");
  line("Unpacking bash (5.2.15-2+b8) ...");
  for (let count = 0; count < 2000; count++) line("Setting up bash (5.2.15-2+b8) ...");
  line("microterm-step: kernel");
  line("Get:1 http://deb.example/debian bookworm/main amd64 linux-image amd64 6.1 [26.7 MB]");
  line("microterm-step: filesystem");
  progress.report("finish", "Ready", 1);
  expect([...new Set(seen.map(({ step }) => step))]).toEqual(["sources", "packages", "kernel", "filesystem", "finish"]);
  expect(seen.find(({ step }) => step === "packages")?.text).toBe("Fetching bash");
  const fractions = seen.map(({ fraction }) => fraction);
  expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  expect(fractions.at(-1)).toBe(1);
});
