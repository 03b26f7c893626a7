import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../../support/server.ts";
import { cli, cliOk, command, Pane, tempFolder } from "./cli-run.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

describe("the life of an environment", () => {
  it("is made, listed, stopped, started and removed with a receipt", async () => {
    expect(await cliOk(server, ["create", "--name", "life", "--memory", "256m", "--cpus", "2"])).toBe("life\n");
    const [listed] = JSON.parse(await cliOk(server, ["ls", "-o", "json"]));
    expect(listed).toMatchObject({ name: "life", state: "running", memoryMib: 256, cpus: 2 });
    expect(await cliOk(server, ["ls"])).toMatch(/^NAME .*\nlife +\w{12} +running +custom +2 +256 MiB/);
    expect(await cliOk(server, ["ls", "-o", "name"])).toBe("life\n");
    // By a unique prefix of its id.
    expect(JSON.parse(await cliOk(server, ["inspect", listed.id.slice(0, 6)]))[0].name).toBe("life");

    const stopped = await cli(server, ["stop", "life"]);
    if (stopped.code === 0) {
      expect(JSON.parse(await cliOk(server, ["inspect", "life"]))[0].state).toBe("stopped");
      expect(await cliOk(server, ["start", "life"])).toBe("life\n");
    } else {
      // The process driver has no power-off where its capability flag says so.
      expect(stopped.stderr).toContain("cannot");
    }
    const [receipt] = JSON.parse(await cliOk(server, ["rm", "-o", "json", "life"]));
    expect(receipt).toMatchObject({ name: "life", environment: listed.id, left: [] });
    expect(await cliOk(server, ["rm", listed.id])).toMatch(/^removed life \(\w{12}\): .*; nothing is left\n$/);
    const gone = await cli(server, ["inspect", "life"]);
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining("'life' was removed at 20")]);
  });

  it("is made in a size, and is not paused where the driver keeps no memory", async () => {
    const sized = ["create", "--size", "small", "--idle-timeout", "30m", "--ttl", "8h", "-o", "json"];
    const made = JSON.parse(await cliOk(server, sized));
    expect(made).toMatchObject({ size: "small", memoryMib: 256, cpus: 1, idleTimeoutSeconds: 1800, notice: null });
    expect(Date.parse(made.expiresAt) - Date.parse(made.createdAt)).toBe(8 * 3_600_000);
    expect(await cliOk(server, ["ls"])).toMatch(/running +small +1 +256 MiB.* in 8 h\n$/);
    expect(await cliOk(server, ["update", "--ttl", "0", made.name])).toBe(`${made.name}\n`);
    const [updated] = JSON.parse(await cliOk(server, ["update", "--idle-timeout", "1h", "-o", "json", made.name]));
    expect(updated).toMatchObject({ id: made.id, expiresAt: null, idleTimeoutSeconds: 3600 });
    const refused = await cli(server, ["pause", made.name]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("stop it instead")]);
    expect(await cliOk(server, ["resume", made.name])).toBe(`${made.name}\n`);
    await cliOk(server, ["stop", made.name]);
    expect((await cli(server, ["resume", made.name])).stderr).toContain("'start'");
    await cliOk(server, ["rm", made.name]);
  });

  it("prints JSON and nothing else on stdout", async () => {
    const made = JSON.parse(await cliOk(server, ["create", "-o", "json"]));
    expect(made).toMatchObject({ state: "running" });
    expect(await cliOk(server, ["rm", made.name])).toContain(made.id);
    expect(JSON.parse(await cliOk(server, ["ls", "-o", "json"]))).toEqual([]);
  });

  it("removes all without a question where there is no terminal", async () => {
    await cliOk(server, ["create", "--name", "one"]);
    await cliOk(server, ["create", "--name", "two"]);
    expect(
      (await cliOk(server, ["rm", "--all"])).split("\n").filter((line) => line.startsWith("removed")),
    ).toHaveLength(2);
  });

  it("asks before it removes all on a terminal", async () => {
    await cliOk(server, ["create", "--name", "kept"]);
    const pane = await Pane.open(server);
    await pane.line(command("rm --all"));
    await pane.waitFor(/Destroy kept .*\[y\/N\]/);
    await pane.line("n");
    await pane.waitFor(/Nothing was removed/);
    await pane.line(command("rm --all"));
    await pane.waitFor(/y\/N\][\s\S]*y\/N\]/);
    await pane.line("y");
    await pane.waitFor(/removed kept/);
  });
});

describe("what a person did wrong", () => {
  it.each([
    ["a number without a unit", ["create", "--memory", "512"], 1, /--memory 512 has no unit.*\n.*512m/],
    ["no memory", ["create", "--memory", "0m"], 1, /--memory 0m is less than 128m/],
    ["a time without a unit", ["create", "--ttl", "8"], 1, /--ttl 8 is no time.*\n.*8h/],
    ["nothing to change", ["update", "one"], 2, /no option says what.*\n.*update --ttl 8h one/],
    [
      "memory of one that is there",
      ["update", "--memory", "1g", "one"],
      2,
      /--memory cannot be changed: .*\n.*create --memory 1g/,
    ],
    ["a quota without a unit", ["update", "--cpu-quota", "50", "one"], 1, /--cpu-quota 50 is not .*percent.*\n.*150%/],
    ["a disk that is too slow", ["update", "--disk-rate", "0m", "one"], 1, /--disk-rate 0m is not from 1m to 1t/],
    ["a size that is none", ["create", "--size", "huge"], 2, /small, medium, large/],
    ["words for CPUs", ["create", "--cpus", "many"], 1, /--cpus many/],
    ["a name that is none", ["create", "--name", "A_b"], 1, /name/],
    ["a verb that is none", ["creat"], 2, /Did you mean create/],
    ["rm of nothing", ["rm"], 2, /--all/],
    ["rm of something missing", ["rm", "missing"], 1, /missing/],
    ["attach without a terminal", ["attach", "missing"], 1, /needs a terminal/],
  ])("is said for %s", async (_, args, code, pattern) => {
    const ran = await cli(server, args);
    expect([ran.code, ran.stdout.toString()]).toEqual([code, ""]);
    expect(ran.stderr).toMatch(pattern);
    expect(ran.stderr).not.toMatch(/\n\s+at /);
  });

  it("says in a sentence that the server died while it was read from", async () => {
    const own = await startServer();
    await own.environment("read");
    const ran = await cli(own, ["logs", "-f", "read"], {
      during: (child) => child.stdout?.once("data", () => own.kill("SIGKILL")),
    });
    expect([ran.code, ran.stderr]).toEqual([
      1,
      "microterm: The connection to the server broke.\n  Try: ./microterm up\n",
    ]);
    const again = await startServer({ data: own.data });
    expect(await again.dispose()).toEqual([]);
  });

  it("is said of networks where there are none", async () => {
    const [name] = (await cliOk(server, ["create", "--name", "lonely", "--memory", "256m"])).split("\n");
    expect(name).toBe("lonely");
    const said = async (...args: string[]) => {
      const { code, stderr } = await cli(server, ["network", ...args]);
      return [code, stderr];
    };
    expect(await said("create", "team")).toEqual([1, expect.stringContaining("loopback alone here")]);
    expect(await said("join", "team", "lonely")).toEqual([1, expect.stringContaining("no network 'team'")]);
    expect(await said("leave", "lonely")).toEqual([1, expect.stringContaining("without a network interface")]);
    expect(await said("rm", "team")).toEqual([1, expect.stringContaining("microterm network ls")]);
    expect((await cli(server, ["network", "create", "no_name"])).stderr).toContain("lower-case letters");
    expect(await said("join", "team")).toEqual([2, expect.stringContaining("missing required argument")]);
    expect(JSON.parse(await cliOk(server, ["network", "ls", "-o", "json"]))).toEqual([]);
    expect(await cliOk(server, ["network", "lonely"])).toContain("without a network interface");
    await cliOk(server, ["rm", "-f", "lonely"]);
  });

  it("is no error for rm -f of something missing", async () => {
    expect((await cli(server, ["rm", "-f", "missing"])).code).toBe(0);
  });

  it("is said when a name is taken", async () => {
    await cliOk(server, ["create", "--name", "taken"]);
    const again = await cli(server, ["create", "--name", "taken"]);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("taken")]);
    await cliOk(server, ["rm", "taken"]);
  });
});

describe("finding the server", () => {
  it("takes --data before MICROTERM_DATA, and MICROTERM_URL before both", async () => {
    const empty = await tempFolder();
    const elsewhere = { env: { MICROTERM_DATA: empty } };
    const none = await cli(server, ["ls"], elsewhere);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("Try: ./microterm up")]);
    expect((await cli(server, ["ls", "--data", server.data], elsewhere)).code).toBe(0);
    const env = { MICROTERM_DATA: empty, MICROTERM_URL: server.url, MICROTERM_TOKEN: server.token };
    expect((await cli(server, ["ls"], { env })).code).toBe(0);
    expect((await cli(server, ["ls"], { env: { MICROTERM_URL: server.url } })).stderr).toContain("MICROTERM_TOKEN");
    const wrong = await cli(server, ["ls"], { env: { ...env, MICROTERM_TOKEN: "w".repeat(40) } });
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("MICROTERM_TOKEN")]);
  });

  it("prints a sign-in link that works once, and the tunnel under SSH", async () => {
    const ran = await cli(server, ["open"], { env: { SSH_CONNECTION: "192.0.2.1 5000 192.0.2.2 22" } });
    const token = /#token=(\w+)\n$/.exec(ran.stdout.toString())?.[1];
    expect(ran.stderr).toContain(`-L ${server.port}:127.0.0.1:${server.port}`);
    expect((await server.call("POST", "/v1/session", { body: { token }, token: null })).status).toBe(200);
    expect((await server.call("POST", "/v1/session", { body: { token }, token: null })).status).toBe(401);
  });
});
