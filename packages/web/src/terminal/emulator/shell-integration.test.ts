import { Terminal } from "@xterm/xterm";
import { expect, test } from "vitest";
import { integrateShell, type ShellState } from "./shell-integration.ts";

const rig = () => {
  const terminal = new Terminal({ cols: 40, rows: 5, allowProposedApi: true });
  const states: Partial<ShellState>[] = [];
  const shell = integrateShell(terminal, (change) => states.push(change));
  const write = (text: string): Promise<void> => new Promise((resolve) => terminal.write(text, resolve));
  return { terminal, states, shell, write };
};

const PROMPT = "\x1b]133;A\x07$ \x1b]133;B\x07";
const command = (text: string, lines: number, status: number): string =>
  `${PROMPT}${text}\r\n\x1b]133;C\x07${`${text}\r\n`.repeat(lines)}\x1b]133;D;${status}\x07`;

test("a program runs between the mark of its start and that of its end", async () => {
  const { states, write } = rig();
  await write(`${PROMPT}sleep 1\r\n\x1b]133;C\x07`);
  expect(states.at(-1)).toEqual({ isBusy: true });
  await write("\x1b]133;D;0\x07");
  expect(states.at(-1)).toEqual({ isBusy: false });
});

test("prompts are jumped to, up and down", async () => {
  const { terminal, shell, write } = rig();
  await write(command("one", 8, 0) + command("two", 8, 1) + command("three", 8, 0) + PROMPT);
  const tops: number[] = [];
  for (const direction of [-1, -1, -1, -1, 1, 1, 1] as const) {
    shell.jump(direction);
    tops.push(terminal.buffer.active.viewportY);
  }
  expect(tops).toEqual([18, 9, 0, 0, 9, 18, terminal.buffer.active.baseY]);
});

test("a prompt that is drawn again on its line is one prompt", async () => {
  const { terminal, shell, write } = rig();
  await write(`${command("one", 9, 0)}${PROMPT}\r${PROMPT}\r${PROMPT}`);
  shell.jump(-1);
  expect(terminal.buffer.active.viewportY).toBe(0);
});

test("whatever else the sequence says is passed over", async () => {
  const { states, write } = rig();
  await write("\x1b]133;\x07\x1b]133;Z;1\x07\x1b]133;D;x;y\x07\x1b]133;D;99999\x07");
  expect(states).toEqual([{ isBusy: false }, { isBusy: false }]);
});

test("marks are kept with a screen, and stand where they stood", async () => {
  const before = rig();
  await before.write(command("one", 8, 0) + command("two", 8, 3) + PROMPT);
  const marks = before.shell.marks();
  expect(marks.map(([, failure]) => failure)).toEqual([0, 3, 0]);

  const after = rig();
  await after.write(`${"row\r\n".repeat(18)}$ `);
  after.shell.restore([...marks, [-9999, 1], [99, 1]]);
  expect(after.shell.marks()).toEqual(marks);
  after.shell.jump(-1);
  expect(after.terminal.buffer.active.viewportY).toBe(9);
});
