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
