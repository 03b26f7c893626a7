import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GuestPage, startGuestPage } from "../../support/guest-page.ts";
import { type PageObject, signIn } from "../../support/page.ts";
import { startTerminalTap, type TerminalTap } from "../../support/terminal-tap.ts";

const LINES = 40_000;
/** 40,000 numbered lines of noise, 3 MB with the carriage returns that the terminal adds; below the ring's 4 MiB. */
const MAKE_FILE = `head -c ${LINES * 48} /dev/urandom | base64 -w 64 | nl -w 8 -n rz -s ' ' > printed`;
/** Prints it in 64 pieces, so that a refresh falls into the middle on fast machines too. */
const PRINT_SLOWLY = `for ((i = 0; i < 64; i++)); do dd if=printed bs=50000 skip=$i count=1 status=none; read -t .1 <> <(:); done`;

let guests: GuestPage;
let page: PageObject;
let tap: TerminalTap;
let id: string;
beforeAll(async () => {
  guests = await startGuestPage();
  tap = await startTerminalTap();
  page = await signIn(guests.browser, guests.world.server, { proxy: tap.proxy });
  id = await page.createEnvironment();
  await guests.world.run(id, MAKE_FILE);
});
afterAll(async () => {
  await guests?.close();
  await tap?.close();
});

/** What was printed between two lines, as the program wrote it: the terminal ends lines with CR LF. */
const between = (text: string, begin: string, end: string): string => {
  const from = text.indexOf(`${begin}\r\n`) + begin.length + 2;
  return text.slice(from, text.indexOf(`${end}\r\n`, from)).replaceAll("\r\n", "\n");
};

describe("a refresh in the middle of 3 MB", () => {
  test.each([
    { speed: "in pieces", print: PRINT_SLOWLY, isSlow: true, refreshes: 3 },
    { speed: "as fast as it can", print: "cat printed", isSlow: false, refreshes: 1 },
  ])("that a program prints $speed leaves no byte out and none twice", async ({ print, isSlow, refreshes }) => {
    const [hash, size] = (await guests.world.run(id, "sha256sum < printed; wc -c < printed")).stdout.split(/[\s-]+/);
    const before = tap.connections.length;
    const [begin, end] = [`<begin ${before}>`, `<end ${before}>`];

    const start = await page.drawnOffset();
    // What is typed is echoed, but the markers are not in it.
    await page.type(`clear; printf '<%s ${before}>\\n' begin; ${print}; printf '<%s ${before}>\\n' end\n`);
    for (let i = 1; i <= refreshes; i++) {
      const wanted = start + BigInt(i * 500_000);
      await expect.poll(async () => (await page.drawnOffset()) >= wanted, { timeout: 120_000 }).toBe(true);
      await page.page.reload();
      await page.untilTerminal("live");
    }
    const rows = await page.untilScreen(end);
    const text = tap.drawnBytes().toString("latin1");
    const printed = between(text, begin, end);
    expect(printed.length).toBe(Number(size));
    expect(createHash("sha256").update(printed, "latin1").digest("hex")).toBe(hash);

    const continued = tap.connections.slice(before).map(({ from }) => from ?? 0);
    expect(continued).toHaveLength(refreshes);
    expect(continued[0]).toBeGreaterThan(text.indexOf(`${begin}\r\n`));
    if (isSlow) expect(continued[0]).toBeLessThan(text.indexOf(`${end}\r\n`));

    const tail = printed.trimEnd().split("\n").slice(-20);
    const last = rows.indexOf(end);
    expect(rows.slice(last - tail.length, last)).toEqual(tail);
    expect(page.errors).toEqual([]);
  });
});

const COUNT = 120;
/** At most 10 numbers a second, by bash alone: a `sleep` of its own would be slow in an emulated guest. */
const COUNTER = `for ((i = 1; i <= ${COUNT}; i++)); do echo "number $i"; read -t .1 <> <(:); done; printf 'all %s\\n' counted`;
const ALL = Array.from({ length: COUNT }, (_, i) => i + 1);
const numbers = (text: string): number[] =>
  [...text.matchAll(/number (\d+)\r?\n/g)].map(([, digits]) => Number(digits));

describe("a server that is killed while a program counts", () => {
  test("comes back, and the page shows every number once", async () => {
    const { world, browser } = guests;
    await page.close();
    const counted = await startTerminalTap();
    // A terminal of its own, and no other: the tap takes all connections for one terminal's.
    const terminals = `/v1/environments/${id}/terminals`;
    const before = (await world.server.ok("GET", terminals)).terminals;
    await world.server.ok("POST", terminals, {});
    for (const terminal of before) await world.server.ok("DELETE", `${terminals}/${terminal.id}`);
    page = await signIn(browser, world.server, { proxy: counted.proxy });
    // Tall enough for all of them at once.
    await page.page.setViewportSize({ width: 900, height: 3000 });
    await page.open(id);
    await page.untilTerminal("live");
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

    expect(numbers(counted.drawnBytes().toString("utf8"))).toEqual(ALL);
    // The program went on while there was no server, and the terminal takes keys again.
    const { from, ready } = counted.connections.at(-1) ?? {};
    expect(ready?.end).toBeGreaterThan(from ?? Number.POSITIVE_INFINITY);
    await page.type("echo $((6 * 7)) again\n");
    await page.untilScreen(/^42 again$/);
    expect(page.errors).toEqual([]);
    expect(await page.removeEnvironment()).toContain("Nothing is left.");
    await counted.close();
  });
});
