import { expect, it } from "vitest";
import { poll } from "../../support/server.ts";
import { terminalSuite } from "../../support/terminal-suite.ts";

const suite = terminalSuite("turns");

it("keeps a recording whole that many turn on and off at once amid output", { timeout: 180_000 }, async () => {
  const flood = "while [ ! -e enough ]; do seq 1 9000; done";
  const terminal = await suite.open(`stty raw -echo; printf ready; read -r go; ${flood}; exec cat`);
  const path = `/v1/environments/${suite.environment}/terminals/${terminal}/recording`;
  const put = (enabled: boolean) => suite.server.ok("PUT", path, { enabled });
  const client = suite.attach(terminal, { keep: false });
  await poll("the program", () => client.received >= 5);
  client.type("go\n");
  // Far from its limit.
  for (let round = 0, bytes = 0; round < 60 && bytes < 24_000_000; round++) {
    const answers = await Promise.all([true, false, true, false, false, true].map(put));
    bytes = Math.max(...answers.map((answer) => answer.bytes));
  }
  await suite.server.ok("POST", `/v1/environments/${suite.environment}/exec`, { command: ["touch", "enough"] });
  expect(await put(true)).toMatchObject({ enabled: true });
  client.type("\r\nonly once");
  const text = async () => (await suite.server.call("GET", `${path}/content`)).text;
  await poll("it on disk", async () => (await text()).includes("only once"));
  const off = await put(false);
  const lines = (await text()).trimEnd().split("\n");
  expect(off).toMatchObject({ enabled: false, isFull: false, bytes: Buffer.byteLength(await text()) });

  const marks = lines.filter((line) => line.startsWith("#")).map((line) => Number(/^# (\d+) \d+$/.exec(line)?.[1]));
  expect(marks).toEqual([...marks].sort((one, other) => one - other));
  // Each line is one of an asciicast, or this throws.
  const [header, ...events] = lines.filter((line) => !line.startsWith("#")).map((line) => JSON.parse(line));
  expect(header).toMatchObject({ version: 3 });
  expect(events.every((event) => Array.isArray(event) && event.length === 3)).toBe(true);
  expect(events.filter(([, code, data]) => code === "o" && data.includes("only once"))).toHaveLength(1);
});
