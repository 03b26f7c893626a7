import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { followScreen } from "./index.ts";
import { describeScreen } from "./testing/index.ts";

const FOLDER = join(import.meta.dirname, "../../../fixtures/screens");

const rig = () => {
  const terminal = new headless.Terminal({
    cols: 80,
    rows: 24,
    allowProposedApi: true,
    scrollback: 1000,
    logLevel: "off",
  });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  return { terminal, screen: followScreen(terminal) };
};
type Rig = ReturnType<typeof rig>;
const stateOf = ({ terminal, screen }: Rig) => ({ ...describeScreen(terminal), texts: [screen.title, screen.cwd] });

describe("the output of real programs, cut anywhere", () => {
  test.each(readdirSync(FOLDER).filter((name) => name.endsWith(".bin")))(
    "%s goes on from a screen as it would have",
    (name) => {
      const bytes = new Uint8Array(readFileSync(join(FOLDER, name)));
      const whole = rig();
      whole.screen.writeNow(bytes);
      const expected = stateOf(whole);
      fc.assert(
        fc.property(fc.nat(bytes.length), (cut) => {
          const before = rig();
          before.screen.writeNow(bytes.subarray(0, cut));
          const middle = stateOf(before);
          const after = rig();
          after.screen.restoreNow(before.screen.capture({ scrollback: 1000 }));
          expect(stateOf(after)).toEqual(middle);
          after.screen.writeNow(bytes.subarray(cut));
          expect(stateOf(after)).toEqual(expected);
        }),
        { numRuns: 40 },
      );
    },
  );

  test("with sizes that change on the way", () => {
    const bytes = new Uint8Array(readFileSync(join(FOLDER, "tmux.bin")));
    fc.assert(
      fc.property(
        fc.nat(bytes.length),
        fc.integer({ min: 2, max: 120 }),
        fc.integer({ min: 2, max: 40 }),
        (cut, cols, rows) => {
          const whole = rig();
          whole.screen.writeNow(bytes.subarray(0, cut));
          const after = rig();
          after.screen.restoreNow(whole.screen.capture({ scrollback: 1000 }));
          for (const { terminal, screen } of [whole, after]) {
            terminal.resize(cols, rows);
            screen.writeNow(bytes.subarray(cut));
          }
          expect(stateOf(after)).toEqual(stateOf(whole));
        },
      ),
      { numRuns: 40 },
    );
  });
});
