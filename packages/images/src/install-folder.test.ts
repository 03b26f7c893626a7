import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { installFolder } from "./install-folder.ts";

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
function make(name: string, content: string): string {
  mkdirSync(at(name));
  writeFileSync(at(name, "file"), content);
  return at(name);
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "microterm-install-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
});
const read = () => readFileSync(at("target", "file"), "utf8");

describe("a folder that was made aside", () => {
  it("gets its name", async () => {
    await installFolder(make("staged", "new"), at("target"), async () => false);
    expect([read(), existsSync(at("staged"))]).toEqual(["new", false]);
  });

  it("replaces a damaged one", async () => {
    make("target", "damaged");
    await installFolder(make("staged", "new"), at("target"), async () => read() !== "damaged");
    expect(read()).toBe("new");
  });

  it("leaves a whole one that another process has made where it is", async () => {
    make("target", "theirs");
    await installFolder(make("staged", "ours"), at("target"), async () => true);
    expect([read(), existsSync(at("staged"))]).toEqual(["theirs", true]);
  });

  it("is whole when many come at once", async () => {
    const staged = Array.from({ length: 20 }, (_, index) => make(`staged-${index}`, `whole ${index}`));
    await Promise.all(staged.map((one) => installFolder(one, at("target"), async () => read().startsWith("whole"))));
    expect(read()).toMatch(/^whole \d+$/);
  });
});
