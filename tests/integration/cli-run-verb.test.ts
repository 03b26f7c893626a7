import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { cli, cliOk, command, Pane } from "./cli-run.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const names = async (): Promise<readonly string[]> =>
  (await cliOk(server, ["ls", "-o", "name"])).split("\n").filter((line) => line !== "");

describe("run", () => {
  it("makes an environment, runs a command with its streams, and ends with its exit code", async () => {
    const script = "cat; echo err >&2; exit 7";
    const ran = await cli(server, ["run", "-i", "--name", "kept", "--", "sh", "-c", script], { stdin: "in\n" });
    expect([ran.code, ran.stdout.toString(), ran.stderr]).toEqual([7, "in\n", "err\n"]);
    expect(await names()).toContain("kept");
    expect(await cliOk(server, ["exec", "kept", "hostname"])).not.toBe("");
  });

  it("gives the command its words, variables and folder", async () => {
    const ran = await cli(server, [
      "run",
      "--rm",
      "-e",
      "A=b c",
      "-w",
      "/tmp",
      "sh",
      "-c",
      'echo "$A $PWD $1"',
      "sh",
      "--rm",
    ]);
    expect([ran.code, ran.stdout.toString()]).toEqual([0, "b c /tmp --rm\n"]);
  });

  it.each([
    ["a command that fails", ["--rm", "--name", "gone", "false"], 1],
    ["a command that is not there", ["--rm", "--name", "gone", "no-such-command"], 127],
    ["a command that a signal ends", ["--rm", "--name", "gone", "sh", "-c", "kill -TERM $$"], 143],
  ])("removes with --rm what it has made, after %s", async (_, args, code) => {
    expect((await cli(server, ["run", ...args])).code).toBe(code);
    expect(await names()).not.toContain("gone");
  });

  it.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGHUP", 129],
  ] as const)("removes it when %s ends it, whatever the command does with that", async (signal, code) => {
    const deaf = "trap '' TERM INT HUP; echo ready; while :; do sleep 0.1; done";
    const ran = await cli(server, ["run", "--rm", "--name", "deaf", "sh", "-c", deaf], {
      during: (child) => child.stdout?.once("data", () => child.kill(signal)),
    });
    expect(ran.code).toBe(code);
    expect(await names()).not.toContain("deaf");
  });

  it("removes it when it is ended while that starts", async () => {
    const ran = await cli(server, ["run", "--rm", "--name", "early", "sleep", "60"], {
      during: (child) => {
        void poll("it to be there", async () => (await names()).includes("early")).then(() => child.kill("SIGTERM"));
      },
    });
    expect(ran.code).not.toBe(0);
    await poll("it to be gone", async () => !(await names()).includes("early"));
  });

  it("says what is wrong with the exit code of exec, and makes nothing", async () => {
    const before = await names();
    for (const args of [
      ["--memory", "1x", "true"],
      ["--no-such-option"],
      ["-it", "true"],
      ["--name", "kept", "true"],
    ]) {
      const ran = await cli(server, ["run", ...args]);
      expect([args, ran.code, ran.stdout.toString()]).toEqual([args, 125, ""]);
      expect(ran.stderr).not.toBe("");
    }
    expect(await names()).toEqual(before);
  });

  it("is a shell on a terminal where no command is named", async () => {
    const pane = await Pane.open(server);
    await pane.line(command("run --rm --name shell"));
    await poll("the shell", async () => (await names()).includes("shell"));
    await pane.line("echo $((6*7))-$(tty)");
    await pane.waitFor(/42-\/dev\/pts\/\d+/);
    await pane.line("exit 3");
    await pane.waitFor(/logout\s+here\$/);
    await pane.line("echo ended-$?");
    await pane.waitFor(/ended-3/);
    expect(await names()).not.toContain("shell");
  });
});

describe("-o", () => {
  it("prints YAML of what JSON has, and names alone", async () => {
    await server.environment("listed");
    for (const args of [["whoami"], ["ports", "listed"], ["user", "ls"], ["network", "ls"]]) {
      const json = JSON.parse(await cliOk(server, [...args, "-o", "json"]));
      expect([args, parse(await cliOk(server, [...args, "-o", "yaml"]))]).toEqual([args, json]);
    }
    expect(parse(await cliOk(server, ["inspect", "listed", "-o", "yaml"]))).toMatchObject([{ name: "listed" }]);
    expect(await names()).toContain("listed");
  });
});

describe("open", () => {
  it("leads to an environment", async () => {
    const { id } = await server.environment("opened");
    const { url } = JSON.parse(await cliOk(server, ["open", "opened", "-o", "json"]));
    expect(url).toMatch(new RegExp(`/sign-in\\?to=/e/${id}#token=.+`));
    const away = { MICROTERM_URL: server.url, MICROTERM_TOKEN: server.token };
    expect((await cliOk(server, ["open", "opened"], { env: away })).trim()).toBe(`${server.url}/e/${id}`);
    expect((await cli(server, ["open", "missing"])).code).toBe(1);
  });
});

describe("record", () => {
  it("records the only terminal until it is stopped, lists and saves it", async () => {
    await server.environment("recorded");
    const [terminal] = (await cliOk(server, ["terminals", "recorded", "-o", "name"])).trim().split("\n");
    expect((await cli(server, ["record", "stop", "recorded"])).code).toBe(1);
    expect((await cliOk(server, ["record", "recorded"])).trim()).toBe(terminal);
    expect(await cliOk(server, ["record", "recorded", terminal ?? ""])).toContain(terminal);
    expect(await cliOk(server, ["record", "ls", "recorded"])).toContain("recording");
    expect((await cliOk(server, ["record", "stop", "recorded", "-o", "name"])).trim()).toBe(terminal);
    expect(parse(await cliOk(server, ["record", "ls", "recorded", "-o", "yaml"]))).toMatchObject([
      { terminal, enabled: false },
    ]);
    const [header = ""] = (await cliOk(server, ["record", "save", "recorded"])).split("\n");
    expect(JSON.parse(header)).toMatchObject({ version: 3 });
    await cliOk(server, ["record", "rm", "recorded"]);
    expect((await cli(server, ["record", "save", "recorded"])).code).toBe(1);
  });
});
