import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TerminalId } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../../../../support/temp-folder.ts";
import { createKeptScreens } from "./kept-screens.ts";

it("keeps no screen of a terminal that the guest lists no more and no client looks at, however many there were", async () => {
  const folder = await makeTempFolder();
  onTestFinished(() => folder.remove());
  const failures: unknown[] = [];
  const screens = createKeptScreens(join(folder.path, "screens"), (error) => failures.push(error));
  const keep = (environment: string, terminal: string, ending = ""): void => {
    const path = screens.pathOf(environment, terminal);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}${ending}`, "{}");
  };
  for (let i = 0; i < 100; i++) keep("e1", `invented${i}`);
  keep("e1", "listed");
  keep("e1", "used");
  keep("e1", "half", ".tmp");
  keep("e2", "other");
  const listed = [{ id: "listed" as TerminalId }, { id: "new" as TerminalId }];
  screens.prune("e1", listed, (terminal) => terminal === "used");
  expect(readdirSync(join(folder.path, "screens/e1")).sort()).toEqual(["listed.json", "used.json"]);
  expect(readdirSync(join(folder.path, "screens/e2"))).toEqual(["other.json"]);
  screens.prune("none", [], () => false);
  screens.removeAll("e1");
  expect(screens.environments()).toEqual(["e2"]);
  expect(failures).toEqual([]);
});
