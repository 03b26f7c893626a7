import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBrowser, PASSWORD } from "../../support/people.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { cli, cliOk } from "./cli-run.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const codeOf = (url: string): string => /#(?:token=)?([a-z0-9]{48})\n?$/.exec(url)?.[1] ?? "";
const asJson = async (...words: string[]) => JSON.parse(await cliOk(server, [...words, "-o", "json"]));

describe("user", () => {
  it("makes an account whose person sets a password, and links that sign in as it", async () => {
    const printed = await cliOk(server, ["user", "add", "ann", "--role", "visitor"]);
    expect(printed).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/reset#[a-z0-9]{48}\n$/);
    const given = { code: codeOf(printed), password: PASSWORD };
    const answer = await openBrowser(server).call("POST", "/v1/resets/accept", given);
    expect(answer.json.account).toMatchObject({ name: "ann", role: "visitor" });
    const token = codeOf(await cliOk(server, ["user", "link", "ann"]));
    expect((await openBrowser(server).call("POST", "/v1/session", { token })).json.account.name).toBe("ann");
    expect((await cli(server, ["open"])).stderr).toContain("signs in as admin (admin)");
  });

  it("lists, changes and removes accounts", async () => {
    await cliOk(server, ["user", "add", "bob"]);
    expect(await cliOk(server, ["user", "ls"])).toMatch(/\nbob +\w{12} +member +enabled +no +no +0 +never\n/);
    expect(await cliOk(server, ["user", "role", "bob", "admin"])).toBe("bob\n");
    expect(await cliOk(server, ["user", "disable", "bob", "--grace", "1h"])).toBe("bob\n");
    expect(await cliOk(server, ["user", "ls"])).toMatch(/\nbob +\w{12} +admin +disabled/);
    expect(await cliOk(server, ["user", "enable", "bob"])).toBe("bob\n");
    expect((await asJson("user", "reset", "bob")).url).toMatch(/\/reset#[a-z0-9]{48}$/);
    expect(await cliOk(server, ["user", "rm", "bob"])).toBe("bob\n");
    expect(await cliOk(server, ["user", "ls", "-o", "name"])).toBe("admin\nann\n");
    const gone = await cli(server, ["user", "rm", "bob"]);
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining("there is no account 'bob'")]);
    const last = await cli(server, ["user", "disable", "admin"]);
    expect([last.code, last.stderr]).toEqual([1, expect.stringContaining("stays an admin")]);
  });

  it.each(["", "Ann", "-ann", "a b", "аня", "x".repeat(33)])("takes no name like %j", async (name) => {
    const { code, stderr } = await cli(server, ["user", "add", "--", name]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("a name has 1 to 32")]);
  });
});

describe("invite", () => {
  it("prints a link, lists what is open, and withdraws it", async () => {
    const made = await asJson("invite", "--role", "member", "--uses", "3", "--expires", "2d");
    expect(made).toMatchObject({ role: "member", usesLeft: 3, createdBy: "admin" });
    expect(made.url).toMatch(/\/invitation#[a-z0-9]{48}$/);
    expect(await cliOk(server, ["invite", "ls"])).toContain(`${made.id}  member  3          admin`);
    expect(await cliOk(server, ["invite", "rm", made.id])).toBe(`${made.id}\n`);
    expect(await asJson("invite", "ls")).toEqual([]);
    const wrong = await cli(server, ["invite", "--expires", "soon"]);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("--expires soon")]);
  });
});

describe("token and session", () => {
  it("make what MICROTERM_TOKEN takes, list it and remove it", async () => {
    const made = await asJson(
      "token",
      "create",
      "a script",
      "--scope",
      "environments:read",
      "exec",
      "--expires",
      "30d",
    );
    expect(made).toMatchObject({ name: "a script", scopes: ["environments:read", "exec"] });
    const env = { MICROTERM_URL: server.url, MICROTERM_TOKEN: made.token };
    expect(await cliOk(server, ["whoami"], { env })).toBe(
      `admin (admin), by a token, at ${server.url}\nScopes: environments:read, exec\n`,
    );
    expect((await cli(server, ["create"], { env })).stderr).toContain("a token with the scope environments:write");
    expect((await cli(server, ["token", "ls"], { env })).stderr).toContain("is not done with a token");
    expect(await cliOk(server, ["token", "ls"])).toContain(`${made.id}  a script  environments:read,exec`);
    expect(await cliOk(server, ["token", "rm", made.id])).toBe(`${made.id}\n`);
    expect((await cli(server, ["whoami"], { env })).stderr).toContain("unknown, spent or expired");
    expect((await cli(server, ["token", "create", "x", "--scope", "all"])).code).toBe(2);
  });

  it("end sessions of browsers", async () => {
    const browser = openBrowser(server);
    await browser.call("POST", "/v1/session", { token: codeOf(await cliOk(server, ["open"])) });
    const [session] = await asJson("session", "ls");
    expect(session).toMatchObject({ device: "Firefox on Linux", address: "127.0.0.1" });
    expect(await cliOk(server, ["session", "rm", session.id])).toBe(`${session.id}\n`);
    expect((await browser.call("GET", "/v1/session")).status).toBe(401);
    expect((await cli(server, ["session", "rm"])).code).toBe(2);
    await cliOk(server, ["session", "rm", "--all"]);
  });

  it("are of the account that the data folder opens", async () => {
    expect(await cliOk(server, ["whoami"])).toBe(`admin (admin), by the server's data folder, at ${server.url}\n`);
  });
});
