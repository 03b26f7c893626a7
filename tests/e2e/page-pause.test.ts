import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GuestPage, startGuestPage } from "../../support/guest-page.ts";
import { type PageObject, signIn } from "../../support/page.ts";

const DEADLINE = { timeout: 240_000 };
const COUNT = 4000;
/** Numbers by bash alone, at most 20 a second. */
const COUNTER = `for ((i = 1; i <= ${COUNT}; i++)); do echo "number $i"; read -t .05 <> <(:); done`;

let guests: GuestPage;
let page: PageObject;
beforeAll(async () => {
  guests = await startGuestPage();
  page = await signIn(guests.browser, guests.world.server, { colorScheme: "dark" });
  // Tall enough for many numbers at once.
  await page.page.setViewportSize({ width: 900, height: 2400 });
});
afterAll(() => guests?.close());

const shown = async (): Promise<number[]> =>
  (await page.readScreen()).flatMap((row) => /^number (\d+)$/.exec(row)?.[1] ?? []).map(Number);
/** Each number follows the one before it. */
const expectInOrder = (numbers: readonly number[]): void => {
  expect(numbers.length).toBeGreaterThan(5);
  expect(numbers).toEqual(numbers.map((_, i) => (numbers[0] ?? 0) + i));
};
const cover = () => page.page.getByRole("region", { name: "Paused" });

/** Gives an environment of its own a minute without use, reads the notice of its pause, and keeps it. */
async function keepIdle(): Promise<void> {
  const { server } = guests.world;
  // Shown in the last tenth of a time this short: 54 s after its last use, with 6 s to keep it.
  const request = { name: "idler", memoryMib: 128, diskMib: 256, idleTimeoutSeconds: 60 };
  const { id } = await server.ok("POST", "/v1/environments", request);
  await guests.world.until(id, "running");
  const idle = await signIn(guests.browser, server);
  await idle.open(id);
  await idle.untilTerminal("live");
  const notice = idle.page.getByRole("alert").filter({ hasText: "unless it is used" });
  await notice.getByText(/In \d+ s\./).waitFor({ timeout: 280_000 });
  await notice.getByRole("button", { name: "Keep running" }).click();
  await notice.waitFor({ state: "detached" });
  expect((await server.ok("GET", `/v1/environments/${id}`)).notice).toBeNull();
  await idle.close();
}
/** Its minute passes beside the other tests. */
let kept: Promise<void> | null = null;

describe("an environment that is paused under a program", () => {
  test("is covered, calmly, over what its terminals showed", async () => {
    await page.createEnvironment();
    kept ??= keepIdle();
    // Whether it succeeds is for its own test to say.
    kept.catch(() => undefined);
    await page.type(`${COUNTER}\n`);
    await page.untilScreen(/^number 10$/);
    await page.page.getByRole("button", { name: "Pause", exact: true }).click();
    await page.untilEnvironment("paused");
    await cover().getByText("go on exactly where they were").waitFor();
    expect(await page.page.title()).not.toContain("Reconnecting");
    expectInOrder(await shown());
    expect(await page.page.evaluate("document.activeElement.textContent")).toContain("Resume");
  });

  test("goes on at the next byte by Enter", async () => {
    const before = (await shown()).at(-1) ?? 0;
    await page.page.keyboard.press("Enter");
    await page.untilEnvironment("running");
    await page.untilTerminal("live");
    await cover().waitFor({ state: "detached" });
    await expect.poll(async () => ((await shown()).at(-1) ?? 0) > before + 5, DEADLINE).toBe(true);
    expectInOrder(await shown());
    expect(await page.focused()).toBe("Terminal input");
  });

  test("is resumed from the list, and from a page that was opened meanwhile", async () => {
    const address = page.page.url();
    await page.page.getByRole("button", { name: "Pause", exact: true }).click();
    await page.untilEnvironment("paused");
    await page.page.goto(new URL("/", address).href);
    const row = page.page.getByRole("row", { name: /Paused/ });
    await row.waitFor();
    await page.page.goto(address);
    await cover().waitFor();
    await page.page.getByRole("button", { name: "Resume" }).click();
    await page.untilTerminal("live");
    await expect.poll(async () => (await shown()).length, DEADLINE).toBeGreaterThan(20);
    expectInOrder(await shown());
    await page.page.keyboard.press("Control+c");
    await page.type("date +%s\n");
    await page.untilScreen((rows) =>
      rows.some((row) => /^\d{10}$/.test(row) && Math.abs(Number(row) - Date.now() / 1000) < 60),
    );
  });

  test("gives notice before it is paused for idleness, and is kept by a click", async () => {
    const attempt = kept ?? keepIdle();
    kept = null;
    await attempt;
  });

  test("is removed with all there was of it", async () => {
    expect(await page.removeEnvironment()).toContain("Nothing is left.");
    expect(page.errors).toEqual([]);
  });
});
