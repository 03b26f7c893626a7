import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { command, Pane } from "./cli-run.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

let count = 0;
/** A pane that is attached to an environment of its own, and how the pane's terminal was before. */
async function attached(): Promise<{ pane: Pane; name: string; before: string }> {
  count += 1;
  const name = `attach-${count}`;
  await server.environment(name);
  const pane = await Pane.open(server);
  const before = await pane.settings();
  await pane.line(`${command(`attach ${name}`)}; echo "left with $?"`);
  await pane.waitFor(/Leave it running with Ctrl-P Ctrl-Q/);
  // A prompt may not be there yet, or look like anything: what is typed waits for it.
  await pane.line("PS1='there> '; stty size");
  await pane.waitFor(/\n30 100\n/);
  expect(await pane.settings()).not.toBe(before);
  return { pane, name, before };
}

/** A full-screen program's way of dressing a terminal. */
const DRESS = "printf '\\033[?1049h\\033[?1000h\\033[?1006h\\033[?25l\\033[?1h\\033[3 q full-screen'; sleep 1000";

async function expectSane(pane: Pane, before: string): Promise<void> {
  expect(await pane.settings()).toBe(before);
  const modes = ["alternate_on", "mouse_any_flag", "keypad_cursor_flag", "cursor_flag"];
  expect(await Promise.all(modes.map((mode) => pane.format(mode)))).toEqual(["0", "0", "0", "1"]);
}

describe("attach", () => {
  it("leaves by its keys, and the program goes on", async () => {
    const { pane, name, before } = await attached();
    await pane.line("MARK=kept");
    await pane.keys("C-p", "C-q");
    await pane.waitFor(/Detached from attach-\d.*\n(?:.*\n)?left with 0/);
    await expectSane(pane, before);
    await pane.line(command(`attach ${name}`));
    await pane.waitFor(/Attached to.*[\s\S]*Attached to/);
    await pane.line("echo still $MARK");
    await pane.waitFor(/\nstill kept/);
    await pane.keys("C-p", "C-q");
  });

  it("passes the first of its keys on when the second does not follow", async () => {
    const { pane } = await attached();
    await pane.line("echo again");
    await pane.waitFor(/\nagain\n/);
    await pane.keys("C-p");
    await pane.waitFor(/there> echo again\s*$/);
    await pane.keys("C-c", "C-p", "C-q");
    await pane.waitFor(/left with 0/);
  });

  it("puts the screen and the terminal right from within a full-screen program", async () => {
    const { pane, before } = await attached();
    await pane.line(DRESS);
    await pane.waitFor(/full-screen/);
    expect(
      await Promise.all(["alternate_on", "mouse_any_flag", "cursor_flag"].map((mode) => pane.format(mode))),
    ).toEqual(["1", "1", "0"]);
    await pane.keys("C-p", "C-q");
    await pane.waitFor(/left with 0/);
    await expectSane(pane, before);
  });

  it.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGINT", 130],
  ] as const)("does so when %s ends it", async (signal, code) => {
    const { pane, before } = await attached();
    await pane.line(DRESS);
    await pane.waitFor(/full-screen/);
    process.kill(await pane.cliPid(), signal);
    await pane.waitFor(new RegExp(`left with ${code}`));
    await expectSane(pane, before);
  });

  it("ends with the program, and with its exit code", async () => {
    const { pane, before } = await attached();
    await pane.line("exit 7");
    await pane.waitFor(/has ended\.\nleft with 7/);
    await expectSane(pane, before);
  });

  it("follows the size of the window", async () => {
    const { pane } = await attached();
    await pane.resize(77, 22);
    await poll("the new size", async () => {
      await pane.line("stty size");
      return /\n22 77\n/.test(await pane.screen());
    });
    await pane.keys("C-p", "C-q");
    await pane.waitFor(/left with 0/);
  });

  it("ends when the environment is removed", async () => {
    const { pane, name, before } = await attached();
    await server.ok("DELETE", `/v1/environments/${name}`);
    await pane.waitFor(/left with 1/);
    await expectSane(pane, before);
  });

  it("connects again after the server's death, with each line once", async () => {
    // A server of its own, as this one dies.
    const first = await startServer();
    await first.environment("lasting");
    const pane = await Pane.open(first);
    await pane.line(`${command("attach lasting")}; echo "left with $?"`);
    await pane.waitFor(/Leave it running/);
    await pane.line("i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo count-$i; sleep 0.1; done; echo counted");
    await pane.waitFor(/\ncount-3\n/);
    await first.kill("SIGKILL");
    await pane.waitFor(/connecting again/);
    const second = await startServer({ data: first.data, args: ["--port", String(first.port)] });
    const screen = await pane.waitFor(/\ncounted\n/);
    const numbers = [...screen.matchAll(/^count-(\d+)$/gm)].map(([, number]) => Number(number));
    expect(numbers).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    await pane.keys("C-p", "C-q");
    await pane.waitFor(/left with 0/);
    expect(await second.dispose()).toEqual([]);
  });

  it("can be left while the server is gone", async () => {
    const own = await startServer();
    await own.environment("alone");
    const pane = await Pane.open(own);
    const before = await pane.settings();
    await pane.line(`${command("attach alone")}; echo "left with $?"`);
    await pane.waitFor(/Leave it running/);
    await own.kill("SIGKILL");
    await pane.waitFor(/connecting again/);
    await pane.keys("C-p", "C-q");
    await pane.waitFor(/left with 0/);
    await expectSane(pane, before);
    const again = await startServer({ data: own.data });
    expect(await again.dispose()).toEqual([]);
  });
});
