import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createProgram } from "../program.ts";
import { MAN_PAGE, renderManPage } from "./render.ts";

const page = renderManPage();

it("is the one of docs/reference", () => {
  expect(readFileSync(MAN_PAGE, "utf8"), "stale: run node packages/cli/src/man/render.ts").toBe(page);
});

it("is one that man formats without a complaint, with every verb and option", () => {
  const { status, stdout, stderr } = spawnSync("groff", ["-man", "-Tutf8", "-ww", "-P-cbou"], {
    input: page,
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, ""]);
  for (const command of createProgram().commands) {
    expect(stdout).toMatch(new RegExp(`^ +${command.name()} `, "m"));
    for (const { long, hidden } of command.options) if (!hidden) expect(stdout).toContain(long);
  }
  expect(stdout).toContain("--driver <driver>        firecracker, qemu");
});
