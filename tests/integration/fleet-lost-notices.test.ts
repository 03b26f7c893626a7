/** What a server had told nobody yet when it was killed: the others find it out. */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import pg from "pg";
import { expect, it, onTestFinished } from "vitest";
import { openFleet } from "../../support/fleet.ts";
import { invite } from "../../support/people.ts";
import { signInSession } from "../../support/preview-client.ts";
import { poll, type TestServer } from "../../support/server.ts";

async function openEvents(server: TestServer, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
  const asked = request(`${server.url}/v1/events`, { headers }).end();
  const [stream]: IncomingMessage[] = await once(asked, "response");
  if (stream?.statusCode !== 200) throw new Error(`${stream?.statusCode}`);
  onTestFinished(() => void asked.destroy());
  return stream.on("error", () => {}).resume();
}

it("a session that was ended by a server that was killed has ended, and no other one", async () => {
  const fleet = await openFleet();
  onTestFinished(async () => expect(await fleet.dispose()).toEqual([]));
  const [a, b] = [await fleet.start(), await fleet.start()];
  const database = new pg.Client(fleet.cluster.url("postgres"));
  await database.connect();
  const ended = await openEvents(b, await signInSession(b));
  const { rows } = await database.query("select hash from credentials where kind = 'session'");
  const others = [
    await openEvents(b, await signInSession(b)),
    await openEvents(b, { authorization: `Bearer ${b.token}` }),
  ];
  // As the other server does, whose notice does not go out any more.
  await database.query("delete from credentials where hash = $1", [rows[0].hash]);
  await database.end();
  process.kill(a.pid, "SIGKILL");
  await poll("its end", () => ended.closed);
  // They hear of what comes.
  const heard = others.map((stream) => once(stream, "data"));
  await b.environment("later");
  await Promise.all(heard);
});

it("one that was given away, and one that was removed, by a server that was killed is its owner's no more", async () => {
  const fleet = await openFleet();
  onTestFinished(async () => expect(await fleet.dispose()).toEqual([]));
  const [a, b] = [await fleet.start(), await fleet.start()];
  const [given, removed] = [await b.environment("given"), await b.environment("removed")];
  for (const { id } of [given, removed]) await b.ok("POST", `/v1/environments/${id}/stop`);
  for (const { id } of [given, removed]) await b.ok("GET", `/v1/environments/${id}/wait?state=stopped`);
  const other = await invite(b, "other");
  const stream = await openEvents(b, { authorization: `Bearer ${b.token}` });
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk));
  await poll("both", () => [given, removed].every(({ id }) => text.includes(id)));
  text = "";
  const database = new pg.Client(fleet.cluster.url("postgres"));
  await database.connect();
  await database.query("update environments set owner = $1 where id = $2", [other.id, given.id]);
  await database.query("delete from environments where id = $1", [removed.id]);
  await database.end();
  process.kill(a.pid, "SIGKILL");
  for (const { id } of [given, removed]) {
    await poll("its end", () => text.includes(`event: removed\ndata: ${JSON.stringify({ id })}`));
  }
});
