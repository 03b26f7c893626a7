import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PageObject, signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

const DEADLINE = { timeout: 120_000 };

let world: ProcessPage;
/** The window that is there first, and another person's, smaller. */
let first: PageObject;
let second: PageObject;

beforeAll(async () => {
  world = await startProcessPage();
  [first, second] = [
    await signIn(world.browser, world.server, { colorScheme: "light" }),
    await signIn(world.browser, world.server, { colorScheme: "dark" }),
  ];
  await second.page.setViewportSize({ width: 720, height: 420 });
});

afterAll(() => world?.close());

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}
/** How far the drawn screen is from each side of its place, CSS pixels. */
const margins = (page: PageObject): Promise<Box> =>
  page.page.evaluate<Box>(`(() => {
    const outer = document.querySelector("[data-terminal]").getBoundingClientRect();
    const inner = document.querySelector("[data-terminal] .xterm-screen").getBoundingClientRect();
    return { left: inner.left - outer.left, top: inner.top - outer.top,
             right: outer.right - inner.right, bottom: outer.bottom - inner.bottom };
  })()`);
const label = (page: PageObject) => page.page.getByRole("contentinfo").getByText(/^Sized by another window/);
const isForeign = (page: PageObject): Promise<string | null> => page.terminal.getAttribute("data-foreign");

describe("two windows on one terminal", () => {
  test("show the same, the later one what had been drawn before it came", async () => {
    const id = await first.createEnvironment();
    await first.type(
      "PS1='$ '; printf '\\e[2J\\e[3;5H\\e[1;35mmagenta\\e[m\\e[6;1H'; for i in 1 2 3; do echo line $i; done\n",
    );
    await first.untilScreen(/^line 3$/);
    await second.open(id);
    await second.untilTerminal("live");
    await second.untilScreen(/^line 3$/);
    expect(await second.readScreen()).toEqual(await first.readScreen());
    const color = (page: PageObject): Promise<string> =>
      page.page.evaluate<string>(`getComputedStyle([...document.querySelectorAll("[data-terminal] .xterm-rows span")]
        .find((span) => span.textContent.includes("magenta"))).color`);
    // Each in its own theme.
    expect([await color(first), await color(second)]).toEqual(["rgb(161, 76, 192)", "rgb(220, 188, 255)"]);
  });

  test("have the size of the one that typed last; the smaller one shrinks the letters", async () => {
    const { columns, rows } = await first.size();
    await expect.poll(() => second.size(), DEADLINE).toEqual({ columns, rows });
    await label(second).waitFor();
    expect(await isForeign(second)).toBe("true");
    expect(await isForeign(first)).toBe("false");
    // All of it is to be seen.
    await expect
      .poll(async () => Math.min(...Object.values(await margins(second))), DEADLINE)
      .toBeGreaterThanOrEqual(0);
  });

  test("change it by typing; the larger one keeps its letters and puts the screen in the middle", async () => {
    const before = await first.size();
    await second.type("echo from the sec''ond\n");
    await second.untilScreen(/^from the second$/);
    await expect.poll(() => isForeign(second), DEADLINE).toBe("false");
    const { columns, rows } = await second.size();
    expect(columns).toBeLessThan(before.columns);
    await first.untilScreen(/^from the second$/);
    await expect.poll(() => first.size(), DEADLINE).toEqual({ columns, rows });
    await label(first).waitFor();
    const { left, top, right, bottom } = await margins(first);
    expect(left).toBeGreaterThan(20);
    expect(top).toBeGreaterThan(20);
    expect(Math.abs(left - right)).toBeLessThan(24);
    expect(Math.abs(top - bottom)).toBeLessThan(4);

    await first.type("echo from the fi''rst\n");
    await first.untilScreen(/^from the first$/);
    await expect.poll(() => first.size(), DEADLINE).toEqual(before);
    expect(await label(first).count()).toBe(0);
  });

  // Echo is off before a program asks: an answer that comes before it reads would be echoed to the screen else.
  test("answer a program's question once", async () => {
    await first.type(
      "clear; stty -echo; printf '\\e[6n'; read -r -t 60 -d R; if read -r -t 2 -d R; then echo answered tw''ice; else echo answered on''ce; fi; stty echo\n",
    );
    await first.untilScreen(/^answered once$/);
  });

  test("tell programs the colours of the one that typed last, and of its theme", async () => {
    let asked = 0;
    const ask = async (page: PageObject): Promise<string> => {
      const name = `answer${++asked}`;
      await page.type(
        `clear; stty -echo; printf '\\e]11;?\\e\\\\'; read -r -t 60 -d '\\'; stty echo; echo ${name} "\${REPLY//[^a-z0-9:\\/]/}"\n`,
      );
      const rows = await page.untilScreen(new RegExp(`^${name} \\d`));
      return rows.find((row) => row.startsWith(name))?.slice(name.length + 1) ?? "";
    };
    expect(await ask(first)).toBe("11rgb:fdfd/fdfd/fcfc");
    expect(await ask(second)).toBe("11rgb:0e0e/1414/1616");
    await first.page.emulateMedia({ colorScheme: "dark" });
    expect(await ask(first)).toBe("11rgb:0e0e/1414/1616");
  });

  test("go, and leave nothing behind", async () => {
    await second.close();
    await first.removeEnvironment();
    expect([...first.errors, ...second.errors]).toEqual([]);
  });
});
