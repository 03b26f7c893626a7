import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createEmulator } from "../../support/emulator.ts";

/** A program of this host in a terminal of 80×24, drawn as the page draws it. */
function open(command: string) {
  const folder = mkdtempSync(join(tmpdir(), "microterm-widths-"));
  const { terminal, screen } = createEmulator();
  const child = spawn("/usr/bin/script", ["-qfec", `stty rows 24 cols 80; exec ${command}`, "/dev/null"], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      // Histories, which programs write when their terminal is gone, would come back while the folder is removed.
      HOME: "/nonexistent",
      TMUX_TMPDIR: folder,
      LC_ALL: "C.UTF-8",
      TERM: "xterm-256color",
      PS1: "$ ",
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
    spawnSync("tmux", ["-L", "widths", "kill-server"], {
      env: { PATH: process.env.PATH, TMUX_TMPDIR: folder },
      stdio: "ignore",
    });
    rmSync(folder, { recursive: true, force: true });
  });
  child.stdout.on("data", (bytes: Buffer) => screen.writeNow(bytes));
  terminal.onData((answer) => child.stdin.write(answer));
  return {
    type: (text: string) => child.stdin.write(text),
    shows: (row: string) =>
      expect
        .poll(
          () =>
            Array.from({ length: 24 }, (_, y) =>
              terminal.buffer.active
                .getLine(terminal.buffer.active.baseY + y)
                ?.translateToString(true)
                .trimEnd(),
            ),
          { timeout: 30_000 },
        )
        .toContain(row),
  };
}

const TEXTS = [
  ["variation selector 16", "⚠️XYZ"],
  ["joined people", "a👩‍👩‍👧b"],
  ["skin tones", "a👍🏽b👍🏿c"],
  ["keycaps", "1️⃣2️⃣x"],
  ["Devanagari", "aक्षिb"],
  ["flags and Han", "🇩🇪日本é"],
] as const;

it("bash edits a line that is drawn where it takes it to be", async () => {
  const bash = open("bash --norc --noprofile -i");
  for (const [, text] of TEXTS) {
    // What is typed before the prompt is echoed by the terminal, and drawn once more by bash.
    await bash.shows("$");
    bash.type(`echo ${text}\x01#\x05!`);
    await bash.shows(`$ #echo ${text}!`);
    bash.type("\r");
  }
});

it("vim does so with a line of a file", async () => {
  const vim = open("vim -u NONE -N -c 'set nocp noswapfile'");
  vim.type("i");
  for (const [what, text] of TEXTS) {
    // vim writes a joiner as <200d>, and has a table of its own in which each letter of a flag takes two columns.
    if (what === "joined people" || what === "flags and Han") continue;
    vim.type(`${text}\x1b0i#\x1b$a!`);
    await vim.shows(`#${text}!`);
    vim.type("\r");
  }
});

it("tmux does so with what runs in it", async () => {
  const tmux = open("tmux -L widths -f /dev/null new bash --norc --noprofile -i");
  for (const [what, text] of TEXTS) {
    // tmux 3.3 itself takes them for one character, and bash within it does not.
    if (what === "joined people") continue;
    await tmux.shows("$");
    tmux.type(`echo ${text}\x01#\x05!`);
    await tmux.shows(`$ #echo ${text}!`);
    tmux.type("\r");
  }
  tmux.type("exit\r");
});
