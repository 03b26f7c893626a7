import headless from "@xterm/headless";
import { expect, it } from "vitest";
import { followScreen } from "../follower.ts";
import { coreOf } from "../xterm-internals.ts";

it("looks at the whole screen for one link in many, also where as many are shown as there may be", () => {
  const terminal = new headless.Terminal({
    cols: 50,
    rows: 300,
    scrollback: 0,
    allowProposedApi: true,
    logLevel: "off",
  });
  const screen = followScreen(terminal);
  const print = (from: number, count: number): void => {
    const links = Array.from({ length: count }, (_, i) => `\x1b]8;;http://x/${from + i}\x07x\x1b]8;;\x07`);
    screen.writeNow(new TextEncoder().encode(links.join("")));
  };
  print(0, 10_000);
  const { lines } = coreOf(terminal).buffers.normal;
  const get = lines.get.bind(lines);
  let looks = 0;
  lines.get = (row: number) => {
    looks += 1;
    return get(row);
  };
  print(10_000, 3000);
  // A few for each character that is printed, and all 300 rows for a few of the links.
  expect(looks).toBeLessThan(3000 * 20);
});
