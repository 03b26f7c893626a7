import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";

const hook = fileURLToPath(new URL("../recipe/root/usr/lib/microterm/shell-integration.bash", import.meta.url));
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "microterm-bash-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What an interactive bash says on its standard error, where its prompts go, with its escape and bell written out. */
async function typed(lines: readonly string[], options: { rc?: string; env?: Record<string, string> } = {}) {
  const rc = join(folder, "bashrc");
  await writeFile(rc, `PS1='P> '\n. '${hook}'\n${options.rc ?? ""}\n`);
  const env = { PATH: process.env.PATH ?? "", HOME: folder, TERM: "xterm-256color", LANG: "C.UTF-8", ...options.env };
  const bash = spawn("bash", ["--noprofile", "--rcfile", rc, "-i"], { cwd: folder, env, stdio: "pipe" });
  let said = "";
  bash.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  bash.stdout.resume();
  bash.stdin.end(`HOSTNAME=box\n${lines.join("\n")}\nexit\n`);
  await new Promise((resolve) => bash.once("close", resolve));
  return said.replaceAll("\u001b]", "<").replaceAll("\u0007", ">");
}

it("marks prompts, commands and their ends, with the status of what was typed", async () => {
  const said = await typed(["(exit 7)", "", "true"]);
  const prompt = `<7;file://box${folder}><133;A>P> <133;B>`;
  expect(said).toContain(`<133;C><133;D;7>${prompt}`);
  // Enter alone runs nothing, so nothing ends.
  expect(said).toContain(`${prompt}\n${prompt}true\n<133;C><133;D;0>`);
});

it("encodes every byte of a folder's name that a URL cannot carry", async () => {
  const name = "a b%c;é\n'\"\\~";
  await mkdir(join(folder, name));
  const said = await typed([`cd $'a b%c;\\u00e9\\n\\'"\\\\~'`]);
  expect(said).toContain(`<7;file://box${folder}/a%20b%25c%3B%C3%A9%0A%27%22%5C~>`);
});

it.each([
  ["a string", "PROMPT_COMMAND='echo mine >&2'", "mine\n"],
  ["a command that makes PS1", `PROMPT_COMMAND='PS1="made> "'`, "<133;A>made> <133;B>"],
  ["a command added behind", `PROMPT_COMMAND+=('PS1="behind> "')`, "<133;A>behind> <133;B>"],
  ["a PS0 of its own", "PS0='zero'", "zero<133;C>"],
  ["a PS1 of its own", "PS1='own> '", "<133;A>own> <133;B>"],
])("leaves to a person's .bashrc %s", async (_, rc, expected) => {
  const said = await typed(["(exit 3)", "(exit 4)"], { rc });
  expect(said).toContain(expected);
  expect(said).toContain("<133;D;3>");
  expect(said).toContain("<133;D;4>");
});

it.each(["set -u", "set -o posix", "IFS=0", "unset PS0", "shopt -s nullglob"])("works after %s", async (setting) => {
  const said = await typed([setting, "(exit 3)"]);
  expect(said).toContain("<133;D;3>");
  expect(said).not.toMatch(/__microterm|unbound|syntax/);
});

it("does not end a shell that ends at errors", async () => {
  expect(await typed(["set -e", "(exit 3) || true", "echo still >&2"])).toContain("still");
});

it.each([{ TERM: "dumb" }, { TERM: "tmux-256color", TMUX: "x" }, { INSIDE_EMACS: "1" }])(
  "says nothing to %o",
  async (env) => {
    const said = await typed(["true"], { env });
    expect(said).toContain("P> ");
    expect(said).not.toContain("<");
  },
);
