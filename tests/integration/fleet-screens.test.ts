/** What a terminal shows outlives the server that has drawn it, also where its agent has not all of the output any more. */
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openFleet, type TestFleet } from "../../support/fleet.ts";
import { poll, type TestServer } from "../../support/server.ts";
import { openTerminal } from "../../support/sharing.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

/** Draws once what is on the screen from then on, and then prints more than an agent keeps. */
const DRAW =
  "stty raw -echo; printf 'first words\\r\\n'; read go; head -c 5000000 /dev/zero | tr '\\0' '\\r'; printf done; exec cat";

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await openFleet();
});
afterAll(async () => {
  expect(await fleet?.dispose()).toEqual([]);
});

/** Empty while nobody holds it. */
async function shown(server: TestServer, id: string, terminal: string): Promise<string> {
  const client = new TerminalClient(server, id, terminal, { from: null });
  let hasEnded = false;
  void client.ended.then(() => {
    hasEnded = true;
  });
  await poll("a keyframe", () => hasEnded || client.keyframes.length > 0);
  const text = String(client.keyframes[0]?.content ?? "");
  await client.close();
  return text;
}

async function keptOffset(id: string): Promise<bigint> {
  const client = new pg.Client(fleet.cluster.url("postgres"));
  await client.connect();
  const { rows } = await client.query("select output_offset from kept_screens where environment = $1", [id]);
  await client.end();
  return BigInt(rows[0]?.output_offset ?? -1);
}

it("goes on from the screen that the server before has kept, after an end in order and after a kill", async () => {
  const [a, b] = [await fleet.start(), await fleet.start()];
  const { id } = await a.environment("drawn");
  const terminal = await openTerminal(a, id, DRAW);
  const client = new TerminalClient(a, id, terminal);
  await client.until("first words");
  client.type("go\n");
  await client.until("done");
  await client.close();
  await a.kill("SIGTERM");
  let text = "";
  await poll("the next server", async () => {
    text = await shown(b, id, terminal);
    return text !== "";
  });
  expect(text).toContain("first words");
  expect(text).toContain("done");

  const c = await fleet.start();
  const typing = await new TerminalClient(b, id, terminal).opened();
  const end = typing.offset;
  typing.type("more");
  await typing.until("more");
  await typing.close();
  await poll("the screen to be kept", async () => (await keptOffset(id)) >= end + 4n);
  await b.kill("SIGKILL");
  await poll("the next server", async () => {
    text = await shown(c, id, terminal);
    return text !== "";
  });
  expect(text).toContain("first words");
  expect(text).toContain("donemore");
  await c.ok("DELETE", `/v1/environments/${id}`);
  expect(await keptOffset(id)).toBe(-1n);
});
