import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GuestPage, startGuestPage } from "../../support/guest-page.ts";
import { signIn } from "../../support/page.ts";
import { startTerminalTap, type TerminalTap } from "../../support/terminal-tap.ts";

const COUNT = 120;
/** At most 10 numbers a second, by bash alone: a `sleep` of its own would be slow in an emulated guest. */
const COUNTER = `for ((i = 1; i <= ${COUNT}; i++)); do echo "number $i"; read -t .1 <> <(:); done; printf 'all %s\\n' counted`;

let guests: GuestPage;
let tap: TerminalTap;
beforeAll(async () => {
  guests = await startGuestPage();
  tap = await startTerminalTap();
});
afterAll(async () => {
  await guests?.close();
  await tap?.close();
});

const numbers = (text: string): number[] =>
  [...text.matchAll(/number (\d+)\r?\n/g)].map(([, digits]) => Number(digits));
const ALL = Array.from({ length: COUNT }, (_, i) => i + 1);

describe("a server that is killed while a program counts", () => {
  test("comes back, and the page shows every number once", async () => {
    const { world, browser } = guests;
    const page = await signIn(browser, world.server, { proxy: tap.proxy });
    // Tall enough for all of them at once.
    await page.page.setViewportSize({ width: 900, height: 3000 });
    await page.createEnvironment();
    await page.type(`${COUNTER}\n`);
    await page.untilScreen(/^number 10$/);

    await world.server.kill("SIGKILL");
    const cover = page.page.locator('[data-cover="reconnecting"]');
    await cover.getByText("Reconnecting…").waitFor();
    await page.untilTerminal("reconnecting");
    expect(numbers((await page.readScreen()).join("\n")).at(-1)).toBeLessThan(COUNT);

    await world.restartServer();
    await page.untilTerminal("live");
    await cover.waitFor({ state: "detached" });
    const rows = await page.untilScreen("all counted");
    expect(numbers(rows.join("\n"))).toEqual(ALL);

    expect(numbers(tap.drawnBytes().toString("utf8"))).toEqual(ALL);
    // The program went on while there was no server, and the terminal takes keys again.
    const { from, ready } = tap.connections.at(-1) ?? {};
    expect(ready?.end).toBeGreaterThan(from ?? Number.POSITIVE_INFINITY);
    await page.type("echo $((6 * 7)) again\n");
    await page.untilScreen(/^42 again$/);
    expect(page.errors).toEqual([]);
    expect(await page.removeEnvironment()).toContain("Nothing is left.");
    await page.close();
  });
});
