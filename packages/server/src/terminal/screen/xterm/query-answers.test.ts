import headless from "@xterm/headless";
import { describe, expect, it } from "vitest";
import { answerQueries } from "./query-answers.ts";

async function ask(...writes: readonly string[]): Promise<string> {
  const terminal = new headless.Terminal({ allowProposedApi: true, logLevel: "off" });
  let said = "";
  const answers = answerQueries(terminal, (text) => {
    said += text;
  });
  const palette = Array.from({ length: 16 }, (_, i) => `#0000${i.toString(16).padStart(2, "0")}`);
  answers.setAppearance({ foreground: "#112233", background: "#000000", cursor: "#ffffff", palette });
  for (const text of writes) await new Promise<void>((resolve) => terminal.write(text, resolve));
  return said.replaceAll("\x1b", "^[");
}

describe("a program's question for colours", () => {
  it.each([
    ["the foreground", "\x1b]10;?\x07", "^[]10;rgb:1111/2222/3333^[\\"],
    [
      "three at once",
      "\x1b]10;?;?;?\x1b\\",
      "^[]10;rgb:1111/2222/3333^[\\^[]11;rgb:0000/0000/0000^[\\^[]12;rgb:ffff/ffff/ffff^[\\",
    ],
    ["one of the palette", "\x1b]4;3;?\x07", "^[]4;3;rgb:0000/0000/0303^[\\"],
    [
      "one of the cube and a grey",
      "\x1b]4;196;?;232;?\x07",
      "^[]4;196;rgb:ffff/0000/0000^[\\^[]4;232;rgb:0808/0808/0808^[\\",
    ],
    [
      "what a program has set",
      "\x1b]11;rgb:1/2/3\x07\x1b]4;1;#abcdef\x07\x1b]11;?\x07\x1b]4;1;?\x07",
      "^[]11;rgb:1111/2222/3333^[\\^[]4;1;rgb:abab/cdcd/efef^[\\",
    ],
    [
      "what was set and reset",
      "\x1b]11;#fff\x07\x1b]4;1;#fff\x07\x1b]111\x07\x1b]104;1\x07\x1b]11;?;?\x07\x1b]4;1;?\x07",
      "^[]11;rgb:0000/0000/0000^[\\^[]12;rgb:ffff/ffff/ffff^[\\^[]4;1;rgb:0000/0000/0101^[\\",
    ],
    ["nothing that there is", "\x1b]4;256;?;x;?;-1;?\x07\x1b]13;?\x07", ""],
    ["the version", "\x1b[>q\x1b[>0q", "^[P>|xterm.js(6.0.0)^[\\^[P>|xterm.js(6.0.0)^[\\"],
  ])("is answered for %s", async (_, question, answer) => expect(await ask(question)).toBe(answer));

  it("makes no more than a few answers, however long it is", async () => {
    expect((await ask(`\x1b]4${";1;?".repeat(10_000)}\x07`)).split("^[]").length - 1).toBe(16);
  });
});

describe("a colour that a program sets", () => {
  it.each([
    ["#fff", "f0f0/f0f0/f0f0"],
    ["#102030", "1010/2020/3030"],
    ["#111122223333", "1111/2222/3333"],
    ["rgb:f/0/8", "ffff/0000/8888"],
    ["rgb:ffff/0000/8080", "ffff/0000/8080"],
    ["red", "0000/0000/0000"],
    ["#12345", "0000/0000/0000"],
    ["rgb:1/2", "0000/0000/0000"],
    ["rgb:1/22/333", "0000/0000/0000"],
  ])("is answered as it is drawn: %s is %s", async (spec, drawn) =>
    expect(await ask(`\x1b]11;${spec}\x07\x1b]11;?\x07`)).toBe(`^[]11;rgb:${drawn}^[\\`),
  );
});
