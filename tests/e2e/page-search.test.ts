import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PageObject, signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

let world: ProcessPage;
let page: PageObject;

beforeAll(async () => {
  world = await startProcessPage();
  page = await signIn(world.browser, world.server);
  await page.createEnvironment();
});
afterAll(() => world?.close());

const DEADLINE = { timeout: 120_000 };
const field = () => page.page.getByRole("textbox", { name: "Find" });
const press = (name: string) => page.page.getByRole("button", { name, exact: true }).click();
const untilCount = (words: string | RegExp): Promise<void> =>
  expect.poll(() => page.page.locator("#terminal-matches").textContent(), DEADLINE).toMatch(words);

describe("a search in a terminal", () => {
  test("marks and counts all matches, above the screen too, and goes from one to the next", async () => {
    await page.type('clear; for i in $(seq 300); do echo "row $i of Rows"; done; echo done-$((1+1))\n');
    await page.untilScreen(/^done-2$/);
    await page.page.keyboard.press("Control+Shift+F");
    await expect.poll(() => page.focused(), DEADLINE).toBe("Find");
    await page.page.keyboard.type("row 2");
    // 2, 20 to 29, 200 to 299; and what was typed has none of them.
    await untilCount(/^111 of 111$/);
    await page.page.keyboard.press("Enter");
    await untilCount(/^110 of 111$/);
    await page.page.keyboard.press("Shift+Enter");
    await untilCount(/^111 of 111$/);
    // Past the last one is the first one, far above.
    await press("Next match");
    await untilCount(/^1 of 111$/);
    await page.untilScreen(/^row 2 of Rows$/);
    await press("Previous match");
    await untilCount(/^111 of 111$/);
  });

  test("tells capital letters apart and takes regular expressions, when it is told to", async () => {
    await field().fill("ROWS");
    await untilCount(/of 30[01]$/);
    await press("Match case");
    await untilCount(/^No match$/);
    await press("Match case");
    await press("Regular expression");
    await field().fill("^row \\d{2} ");
    await untilCount(/of 90$/);
    await field().fill("(");
    await untilCount(/Unterminated group/);
    expect(await field().getAttribute("aria-invalid")).toBe("true");
    await press("Regular expression");
    await field().fill("nowhere to be found");
    await untilCount(/^No match$/);
  });

  test("takes no row from the terminal, goes on with what is printed, and leaves the focus where it was", async () => {
    const size = () => page.page.getByTitle("Columns and rows").textContent();
    const before = await size();
    await field().fill("later-7");
    await untilCount(/^No match$/);
    await page.type("echo later-$((3+4))\n");
    await untilCount(/1$/);
    await field().focus();
    await page.page.keyboard.press("Escape");
    await expect.poll(() => page.focused(), DEADLINE).toBe("Terminal input");
    expect(await page.page.getByRole("search").count()).toBe(0);
    expect(await size()).toBe(before);
    // What was looked for last is there again.
    await page.page.keyboard.press("Control+Shift+F");
    await expect.poll(() => field().inputValue(), DEADLINE).toBe("later-7");
    await page.page.keyboard.press("Escape");
    expect(page.errors).toEqual([]);
  });
});
