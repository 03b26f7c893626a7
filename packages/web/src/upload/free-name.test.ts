import { describe, expect, test } from "vitest";
import { freeName } from "./free-name.ts";

const among = (taken: readonly string[]) => (name: string) => Promise.resolve(taken.includes(name));

describe("the name of an uploaded file", () => {
  test.each([
    ["report.txt", [], "report.txt"],
    ["report.txt", ["report.txt"], "report-2.txt"],
    ["report.txt", ["report.txt", "report-2.txt"], "report-3.txt"],
    ["a.tar.gz", ["a.tar.gz"], "a-2.tar.gz"],
    [".bashrc", [".bashrc"], ".bashrc-2"],
    [".config.json", [".config.json"], ".config-2.json"],
    ["Makefile", ["Makefile"], "Makefile-2"],
    ["two\nlines.txt", ["two\nlines.txt"], "two\nlines-2.txt"],
  ])("%j beside %j is %j", async (name, taken, expected) => {
    expect(await freeName(name, among(taken))).toBe(expected);
  });

  test("is none when all are taken, after a bounded number of questions", async () => {
    let asked = 0;
    const name = await freeName("x", () => {
      asked++;
      return Promise.resolve(true);
    });
    expect([name, asked]).toEqual([null, 99]);
  });
});
