import { afterAll, beforeAll, expect, it } from "vitest";
import { addOwner } from "../../support/second-owner.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { cli } from "./cli-run.ts";

let server: TestServer;
let member: { readonly MICROTERM_TOKEN: string; readonly MICROTERM_URL: string };
beforeAll(async () => {
  server = await startServer();
  member = { MICROTERM_TOKEN: (await addOwner(server.data, "carlcarl")).token, MICROTERM_URL: server.url };
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const said = async (args: readonly string[], env?: typeof member): Promise<string> => {
  const { code, stdout, stderr } = await cli(server, args, env === undefined ? {} : { env });
  expect(code, stderr).toBe(0);
  return `${stdout}${stderr}`;
};
const refused = async (args: readonly string[], env?: typeof member): Promise<string> => {
  const { code, stderr } = await cli(server, args, env === undefined ? {} : { env });
  expect(code).not.toBe(0);
  return stderr;
};

it("quotas are shown with what is left, and set for a role or an account, the rest as it was", async () => {
  expect(await said(["quota"])).toMatch(/^memory +no limit +0 MiB +-$/m);
  expect(await said(["quota"], member)).toMatch(/^memory +4 GiB +0 MiB +4 GiB$/m);
  await said(["quota", "set", "--role", "member", "memory=1g", "hours=12"]);
  await said(["quota", "set", "--user", "carlcarl", "memory=2g", "hours=12"]);
  expect(await said(["quota"], member)).toMatch(/^hours a day +12 h +0 h +12 h\nThe day ends at /m);
  expect(await said(["quota", "ls"])).toMatch(/^carlcarl +its own +0 of 10 .*0 MiB of 2 GiB/m);
  expect(await refused(["create", "--memory", "3g"], member)).toMatch(
    /the quota is 2048 MiB of memory: 0 are used, and 3072 more are needed\n.*'microterm quota' shows what is left/,
  );
  await said(["quota", "set", "--user", "carlcarl", "default"]);
  expect(await said(["quota"], member)).toMatch(/^memory +1 GiB/m);
  expect(await refused(["quota", "set", "memory=1g"])).toContain("either --role or --user");
  expect(await refused(["quota", "set", "--user", "nobody", "none"])).toContain("There is no account 'nobody'");
  expect(await refused(["quota", "set", "--role", "member", "default"])).toContain("no other quota");
  expect(await refused(["quota", "set", "--role", "member", "none"], member)).toContain("needs the role admin");
});

it("an admin lists, hands over and removes another's environment, and sees the host's load", async () => {
  await said(["create", "--name", "theirs"], member);
  expect(await said(["ls"], member)).toMatch(
    /Of your quota: 1 of 10 environments, 1 of 5 running, 512 MiB of 1 GiB memory, .*, 0 h of 12 h today\.$/m,
  );
  const id = /^carlcarl +theirs +(\w{12}) +running/m.exec(await said(["admin", "ls"]))?.[1] ?? "";
  expect(await said(["admin", "host"])).toMatch(/^Load: .*\n(.*\n)+Environments: 1; /);
  expect(await refused(["admin", "ls"], member)).toContain("needs the role admin");
  expect(await refused(["rm", "theirs"])).toContain("no environment");
  await said(["admin", "transfer", id, "admin", "--name", "ours"]);
  expect(await said(["ls", "-o", "name"], member)).toBe("");
  expect(await said(["ls", "-o", "name"])).toBe("ours\n");
  await said(["admin", "transfer", "ours", "carlcarl"]);
  expect(await said(["stop", id])).toBe("ours\n");
  expect(await said(["ls"], member)).toContain("an admin stopped it");
  expect(await said(["rm", id])).toContain("removed ours");
});

it("an account is removed once another one has all its environments, where its quota has room, or nothing is changed", async () => {
  const { token } = await addOwner(server.data, "danadana");
  const dana = { MICROTERM_TOKEN: token, MICROTERM_URL: server.url };
  for (const name of ["one", "two"]) await said(["create", "--name", name], dana);
  await said(["stop", "two"], dana);
  const give = ["user", "rm", "danadana", "--transfer-to"];
  expect(await refused(["user", "rm", "danadana"])).toContain("--transfer-to OTHER");
  await said(["user", "add", "heir"]);
  await said(["quota", "set", "--user", "heir", "environments=1"]);
  expect(await refused([...give, "heir"])).toMatch(/the quota is 1 environment: 0 are used, and 2 more are needed/);
  await said(["quota", "set", "--user", "heir", "none"]);
  await said(["create", "--name", "two"]);
  expect(await refused([...give, "admin"])).toContain("its new owner has an environment named 'two' already");
  expect(await refused([...give, "danadana"])).toContain("cannot have what it leaves");
  expect(await refused([...give, "nobody"])).toContain("there is no account 'nobody'");
  expect(await refused([...give, "heir", "--destroy"])).toContain("cannot be used with");
  expect(await said(["ls", "-o", "name"], dana)).toBe("one\ntwo\n");
  expect(await said([...give, "heir"])).toBe("danadana\n");
  expect(await said(["admin", "ls"])).toMatch(/^heir +one +\w{12} +running(.*\n)*heir +two +\w{12} +stopped/m);
  expect(await refused(["ls"], dana)).toContain("unknown, spent or expired");
  const audit = await said(["audit", "-o", "json"]);
  expect(audit.match(/"environment.transferred"/g)).toHaveLength(4);
  await said(["user", "rm", "heir", "--destroy"]);
  await said(["rm", "two"]);
});
