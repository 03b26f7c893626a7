import { afterAll, beforeAll, expect, it } from "vitest";
import { addOwner } from "../../support/second-owner.ts";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { accept, look, openTerminal } from "../../support/sharing.ts";
import { cli, cliOk, command, Pane } from "./cli-run.ts";

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

it("attaches to what is shared with one's account, as what one is there, until that ends", async () => {
  const ann = await addOwner(server.data, "annannann");
  const env = { MICROTERM_URL: server.url, MICROTERM_TOKEN: ann.token };
  expect((await cli(server, ["share", "ls"], { env })).stderr).toContain("Nothing is shared with you");
  const script = "printf 'show\\033]0;stolen\\007n\\n'; while read -r line; do echo \"<$line>\"; done";
  const terminal = await openTerminal(server, id, script);
  const made = JSON.parse(await cliOk(server, ["share", "one", terminal, "--with", "annannann", "-o", "json"]));
  const listed = await cliOk(server, ["share", "ls"], { env });
  expect(listed).toMatch(/^\w{12} +admin +viewer +in 24 h$/m);
  const [grant = ""] = /^\w{12}(?= +admin)/m.exec(listed) ?? [];

  const pane = await Pane.open(server);
  const settings = await pane.settings();
  await pane.line(`export MICROTERM_URL=${env.MICROTERM_URL} MICROTERM_TOKEN=${env.MICROTERM_TOKEN}`);
  await pane.line(`${command(`attach ${grant}`)}; echo "left with $?"`);
  await pane.waitFor(/Attached to a terminal of admin, for 24 h: you look on/);
  await pane.waitFor(/shown/);
  await pane.line("typed");
  await pane.line("again");
  const refused = await pane.waitFor(/you only look on: what you type goes nowhere/);
  expect(refused.match(/you only look on/g)).toHaveLength(1);
  expect(refused).not.toContain("<typed>");
  const [{ id: granted }] = (await server.ok("GET", `/v1/environments/${id}/shares`)).shares.find(
    (one: { id: string }) => one.id === made.id,
  ).grants;
  await server.ok("PATCH", `/v1/environments/${id}/grants/${granted}`, { role: "editor" });
  await pane.waitFor(/you may type here from now on/);
  await pane.line("given");
  await pane.waitFor(/<given>/);
  await pane.keys("C-p", "C-q");
  await pane.waitFor(/Come back with: .\/microterm attach \w{12}\nleft with 0/);

  await pane.line(`${command(`attach ${grant}`)}; echo "left with $?"`);
  await pane.waitFor(/you may type\. Leave it[\s\S]*<given>/);
  await cliOk(server, ["share", "rm", "one", made.id]);
  await pane.waitFor(/closed to you: this terminal is not shared with you any more\.\n[\s\S]*left with 1/);
  expect(await pane.settings()).toBe(settings);
  expect(await pane.format("pane_title")).not.toBe("stolen");
  expect((await cli(server, ["attach", grant], { env })).stderr).toContain("needs a terminal");
});
