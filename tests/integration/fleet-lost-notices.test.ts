/** What a server had told nobody yet when it was killed: the others find it out. */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import pg from "pg";
import { expect, it, onTestFinished } from "vitest";
import { openFleet } from "../../support/fleet.ts";
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
