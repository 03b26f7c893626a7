import { Terminal } from "@xterm/xterm";
import { expect, test } from "vitest";
import { hearCopies, textToCopy } from "./clipboard-writes.ts";

test.each([
  ["c;aMOpbGxv", "héllo"],
  [";aMOpbGxv", "héllo"],
  ["p;YQ==", "a"],
  ["c;YQ", "a"],
  ["c;?", null],
  ["c;", null],
  ["c;!!!", null],
  ["c;/w==", null],
  ["x;YQ==", null],
  ["YQ==", null],
  [`c;${"A".repeat(1_400_004)}`, null],
])("a sequence to copy with %.20s", (data, text) => expect(textToCopy(data)).toBe(text));

test("reading the clipboard is never answered", async () => {
  const terminal = new Terminal({ allowProposedApi: true });
  const copied: string[] = [];
  let answers = "";
  hearCopies(terminal, (text) => copied.push(text));
  terminal.onData((data) => {
    answers += data;
  });
  await new Promise<void>((resolve) => terminal.write("\x1b]52;c;?\x07\x1b]52;c;YQ==\x07\x1b]52;p;?\x1b\\", resolve));
  expect([copied, answers]).toEqual([["a"], ""]);
});
