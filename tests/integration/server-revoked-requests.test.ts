import { once } from "node:events";
import { existsSync } from "node:fs";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { invite, type Person } from "../../support/people.ts";
import { poll, startServer, type TestServer } from "../../support/server.ts";

let server: TestServer;
let count = 0;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const somebody = (): Promise<Person> => invite(server, `person${++count}`);

describe("a request that is under way", () => {
  it("ends with its token, whether it sends, receives or waits", async () => {
    const person = await somebody();
    const { id } = (await person.call("POST", "/v1/environments", {})).json;
    await person.call("GET", `/v1/environments/${id}/wait?state=running&timeoutMs=100000`);
    const { token, id: tokenId } = (
      await person.call("POST", "/v1/account/tokens", { name: "one", scopes: ["environments:read", "files", "exec"] })
    ).json;
    const headers = { authorization: `Bearer ${token}` };
    const path = `${server.url}/v1/environments/${id}`;
    const following = await fetch(`${server.url}/v1/events`, { headers });
    const waiting = fetch(`${path}/wait?state=stopped&timeoutMs=100000`, { headers });
    // It never ends, and sends nothing after its beginning.
    const upload = request(`${path}/files/content?path=/tmp/endless`, {
      ...{ method: "PUT", headers: { ...headers, expect: "100-continue" } },
    });
    const uploaded = once(upload, "response");
    upload.flushHeaders();
    await once(upload, "continue");
    upload.write(Buffer.alloc(1000));
    const ends = [following.text(), uploaded, waiting].map((one) =>
      one.then(
        () => "ended",
        () => "cut",
      ),
    );
    expect((await person.call("DELETE", `/v1/account/tokens/${tokenId}`)).status).toBe(204);
    const [, ...cut] = await Promise.all(ends);
    expect(cut).toEqual(["cut", "cut"]);
    await server.ok("DELETE", `/v1/accounts/${person.name}?environments=destroy`);
  });
});

describe("what is done in an environment", () => {
  it.each(["its transfer", "the token's end", "the account's being disabled"])("ends with %s", async (way) => {
    const person = await somebody();
    const { id } = (await person.call("POST", "/v1/environments", {})).json;
    await person.call("GET", `/v1/environments/${id}/wait?state=running&timeoutMs=100000`);
    const wish = { name: "one", scopes: ["environments:read", "files", "exec"] };
    const { token, id: tokenId } = (await person.call("POST", "/v1/account/tokens", wish)).json;
    const headers = { authorization: `Bearer ${token}` };
    const path = `${server.url}/v1/environments/${id}`;
    const exec = (script: string) =>
      server.call("POST", `/v1/environments/${id}/exec`, { token, body: { command: ["sh", "-c", script] } });
    await exec("mkdir folder; head -c 60M /dev/zero >folder/large");
    const running = exec("echo $$ >pid; while :; do sleep 1; done");
    const folder = (await exec("pwd")).json.stdout.trim();
    const pidOf = async () => Number((await exec("cat pid")).json.stdout);
    await poll("the program to run", async () => (await pidOf()) > 0);
    const pid = await pidOf();
    // They are not read, and do not come to their end.
    const downloads = await Promise.all(
      [`content?path=${folder}/folder/large`, `tar?path=${folder}/folder`].map((file) =>
        fetch(`${path}/files/${file}`, { headers }),
      ),
    );
    expect(downloads.map(({ status }) => status)).toEqual([200, 200]);
    const upload = request(`${path}/files/content?path=${folder}/endless`, { method: "PUT", headers });
    const uploaded = once(upload, "response");
    upload.write(Buffer.alloc(1000));
    const cut = (one: Promise<unknown>): Promise<boolean> =>
      one.then(
        () => false,
        () => true,
      );
    const ends = [cut(running), cut(uploaded)];
    if (way === "its transfer")
      await server.ok("POST", `/v1/admin/environments/${id}/transfer`, { account: "admin", name: person.name });
    else if (way === "the token's end") await person.call("DELETE", `/v1/account/tokens/${tokenId}`);
    else await server.ok("PATCH", `/v1/accounts/${person.name}`, { disabled: true });
    for (const one of downloads) ends.push(cut(one.arrayBuffer()));
    expect(await Promise.all(ends)).toEqual([true, true, true, true]);
    await poll("the program's end", () => !existsSync(`/proc/${pid}`));
    if (way === "its transfer") await server.ok("DELETE", `/v1/environments/${id}`);
    await server.ok("DELETE", `/v1/accounts/${person.name}?environments=destroy`);
  });
});
