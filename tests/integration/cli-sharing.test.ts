import { afterAll, beforeAll, expect, it } from "vitest";
import { addOwner } from "../../support/second-owner.ts";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { accept, look, openTerminal } from "../../support/sharing.ts";
import { cli, cliOk } from "./cli-run.ts";

let server: TestServer;
let id: string;
beforeAll(async () => {
  server = await startServer();
  ({ id } = await server.environment("one"));
});
afterAll(async () => expect(await server?.dispose()).toEqual([]));

it("shares a terminal by a link, lists who is there, and ends it", async () => {
  const url = (await cliOk(server, ["share", "one", "--expires", "2h", "--uses", "3", "--without-account"])).trim();
  expect(url).toMatch(new RegExp(`^${server.url}/shared#[a-z0-9]{48}$`));
  const viewer = await look(server, await accept(server, url.split("#")[1] ?? "", { name: "Ann\u001b[31m" })).opened();
  await poll("her presence", async () => (await cliOk(server, ["terminals", "one"])).includes('"Ann[31m"  looks on'));
  const [made] = JSON.parse(await cliOk(server, ["share", "ls", "one", "-o", "json"]));
  expect(made).toMatchObject({ kind: "link", role: "viewer", usesLeft: 2, withoutAccount: true, scrollback: false });
  expect(await cliOk(server, ["share", "ls", "one"])).toMatch(/viewer +2 +in .* +"Ann\[31m"/);
  expect(await cliOk(server, ["share", "rm", "one", made.id])).toBe(`${made.id}\n`);
  expect((await viewer.ended).code).toBe(4401);
  expect((await cli(server, ["share", "rm", "one", made.id])).code).toBe(1);
});

it("shares with an account, and asks which of several terminals", async () => {
  const bob = await addOwner(server.data, "bobbobbob");
  const terminal = await openTerminal(server, id);
  const many = await cli(server, ["share", "one", "--with", "bobbobbob"]);
  expect([many.code, many.stderr.includes("has several terminals")]).toEqual([1, true]);
  const made = JSON.parse(
    await cliOk(server, [
      "share",
      "one",
      terminal,
      "--with",
      "bobbobbob",
      "--role",
      "editor",
      "--scrollback",
      "-o",
      "json",
    ]),
  );
  expect(made).toMatchObject({ kind: "account", role: "editor", url: null, grants: [{ name: "bobbobbob" }] });
  const { terminals } = (await server.call("GET", "/v1/shared", { token: bob.token })).json;
  expect(terminals).toMatchObject([{ kind: "account", role: "editor", owner: "admin" }]);
  for (const bad of [
    ["--with", "nobody"],
    ["--uses", "0"],
    ["--uses", "x"],
    ["--expires", "1"],
    ["--role", "owner"],
  ]) {
    expect((await cli(server, ["share", "one", terminal, ...bad])).code, bad.join(" ")).toBeGreaterThan(0);
  }
});
