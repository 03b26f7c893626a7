/** Writes docs/reference/microterm.1; its test fails while it is stale. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { SCRIPT_VERBS } from "../completion.ts";
import { createProgram } from "../program.ts";
import { manPage, type ScriptVerb } from "./man-page.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");
export const MAN_PAGE = resolve(ROOT, "docs/reference/microterm.1");

/** The manual page of this checkout. The entry script is asked for the help of its own verbs. */
export function renderManPage(): string {
  const scriptVerbs = SCRIPT_VERBS.map(([name]): ScriptVerb => {
    const { status, stdout } = spawnSync(resolve(ROOT, "microterm"), [name, "--help"], { encoding: "utf8" });
    if (status !== 0) throw new Error(`microterm ${name} --help ended with ${status}`);
    return { name, help: stdout };
  });
  return manPage(createProgram(), scriptVerbs);
}

if (import.meta.main) writeFileSync(MAN_PAGE, renderManPage());
