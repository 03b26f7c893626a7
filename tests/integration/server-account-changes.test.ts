import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { invite, openBrowser, PASSWORD, type Person } from "../../support/people.ts";
import { type Answer, startServer, type TestServer } from "../../support/server.ts";

const OTHER_PASSWORD = "nine paper boats, and rain";

let server: TestServer;
let count = 0;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const outcome = ({ status, json }: Answer): readonly unknown[] => [status, json?.code];
const somebody = (): Promise<Person> => invite(server, `person${++count}`);
const signIn = (name: string, password: string, browser = openBrowser(server)): Promise<Answer> =>
  browser.call("POST", "/v1/session", { name, password });

describe("a reset", () => {
  const resetOf = async (name: string): Promise<string> => (await server.ok("POST", `/v1/accounts/${name}/reset`)).code;
  const use = (code: string): Promise<Answer> =>
    openBrowser(server).call("POST", "/v1/resets/accept", { code, password: OTHER_PASSWORD });
  const THIEFS = "what a thief has chosen, and likes";

  it("stays, whatever is done in the account, until another one takes its place", async () => {
    const person = await somebody();
    const first = await resetOf(person.name);
    const code = await resetOf(person.name);
    const change = await person.call("PUT", "/v1/account/password", { current: PASSWORD, password: THIEFS });
    expect([change.status, (await person.call("DELETE", "/v1/account/sessions")).status]).toEqual([204, 204]);
    expect(outcome(await use(first))).toEqual([404, "RESET_INVALID"]);
    expect((await use(code)).status).toBe(200);
  });

  it("is not undone by sign-ins and changes of the password that are under way", async () => {
    for (let round = 0; round < 4; round++) {
      const person = await somebody();
      const code = await resetOf(person.name);
      const browsers = Array.from({ length: 3 }, () => openBrowser(server));
      const [reset] = await Promise.all([
        use(code),
        // It is cut where its session ends meanwhile.
        person.call("PUT", "/v1/account/password", { current: PASSWORD, password: THIEFS }).catch(() => null),
        ...browsers.map((browser) => signIn(person.name, PASSWORD, browser)),
      ]);
      expect(reset?.status).toBe(200);
      for (const browser of [person, ...browsers]) expect((await browser.call("GET", "/v1/session")).status).toBe(401);
      expect((await signIn(person.name, THIEFS)).status).toBe(401);
      expect((await signIn(person.name, OTHER_PASSWORD)).status).toBe(200);
    }
  });
});

describe("who becomes a visitor", () => {
  it("shares nothing any more, and keeps what others share", async () => {
    const [maker, guest] = [await somebody(), await somebody()];
    const shared = async (who: Person) => (await who.call("GET", "/v1/shared")).json.terminals.length;
    const give = async (from: Person, to: Person) => {
      const { id } = (await from.call("POST", "/v1/environments", {})).json;
      const wait = await from.call("GET", `/v1/environments/${id}/wait?state=running&timeoutMs=100000`);
      const path = `/v1/environments/${id}/terminals/${wait.json.terminals[0].id}/shares`;
      expect((await from.call("POST", path, { role: "editor", account: to.name })).status).toBe(201);
    };
    await give(maker, guest);
    await give(guest, maker);
    await server.ok("PATCH", `/v1/accounts/${maker.name}`, { role: "visitor" });
    expect([await shared(guest), await shared(maker)]).toEqual([0, 1]);
    await server.ok("PATCH", `/v1/accounts/${maker.name}`, { role: "member" });
    expect(await shared(guest)).toBe(0);
    for (const { name } of [maker, guest]) await server.ok("DELETE", `/v1/accounts/${name}?environments=destroy`);
  });
});
