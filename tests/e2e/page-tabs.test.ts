import type { Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PageObject, signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

const DEADLINE = { timeout: 120_000 };

let world: ProcessPage;
let page: PageObject;

beforeAll(async () => {
  world = await startProcessPage();
  page = await signIn(world.browser, world.server);
});

afterAll(() => world?.close());

const tabs = (): Locator => page.page.getByRole("tab");
const chosen = (): Locator => page.page.getByRole("tab", { selected: true });
const press = (keys: string): Promise<void> => page.page.keyboard.press(keys);
const untilChosen = (name: string): Promise<void> =>
  expect.poll(() => chosen().textContent(), DEADLINE).toContain(name);

describe("a person who clicks beside a terminal", () => {
  test("goes on typing into it, whatever was clicked, opened and closed", async () => {
    const id = await page.createEnvironment();
    const { page: window } = page;
    const press = (name: string | RegExp): Promise<void> => window.getByRole("button", { name, exact: true }).click();
    /** Until it has the focus: a key that is pressed sooner is the terminal's. */
    const open = async (name: string | RegExp, role: "dialog" | "alertdialog" | "menu"): Promise<void> => {
      await press(name);
      await window.locator(`[role="${role}"]:focus-within`).waitFor();
    };
    const leave = (): Promise<void> => window.keyboard.press("Escape");
    const acts: readonly (readonly [string, () => Promise<void>])[] = [
      ["Record", () => press(/record this terminal$/i)],
      ["its end", () => press(/record this terminal$/i)],
      ["the theme", () => press(/^Theme: /)],
      ["a popover", () => open("Why?", "dialog").then(leave)],
      ["settings", () => open(/^Keyboard and screen reader/, "dialog").then(leave)],
      ["a dialog", () => press("Remove").then(() => press("Keep it"))],
      ["a dialog closed by a key", () => open("Stop", "alertdialog").then(leave)],
      ["what was recorded", () => open("What was recorded", "menu").then(leave)],
      [
        "the player",
        async () => {
          await press("What was recorded");
          await window.getByRole("menuitem", { name: "Play" }).click();
          await window.locator('[data-player="ready"]').waitFor();
          await press("Close");
        },
      ],
    ];
    for (const [i, [what, act]] of acts.entries()) {
      await act();
      await expect.poll(() => page.focused(), { ...DEADLINE, message: what }).toBe("Terminal input");
      await window.keyboard.type(`echo line-$((${i} + 100))\n`);
      await page.untilScreen(new RegExp(`^line-${i + 100}$`));
      await expect.poll(() => window.locator("[role=dialog], [role=alertdialog], [role=menu]").count()).toBe(0);
    }
    expect(page.environmentId()).toBe(id);
  });

  test("with keys stays where the keys have led", async () => {
    const record = page.page.getByRole("button", { name: "Record this terminal" });
    await record.focus();
    await page.page.keyboard.press("Enter");
    await expect.poll(() => record.getAttribute("aria-pressed"), DEADLINE).toBe("true");
    expect(await page.focused()).toMatch(/record this terminal$/);
    const why = page.page.getByRole("button", { name: "Why?" });
    await why.focus();
    await page.page.keyboard.press("Enter");
    await page.page.getByRole("dialog").waitFor();
    await page.page.keyboard.press("Escape");
    await expect.poll(() => page.page.evaluate<string>("document.activeElement.textContent"), DEADLINE).toBe("Why?");
  });

  test("on Stop is asked first where something runs, is recorded, or may run", async () => {
    const { page: window } = page;
    const dialog = window.getByRole("alertdialog");
    const asked = async (words: string): Promise<void> => {
      await window.getByRole("button", { name: "Stop", exact: true }).click();
      await dialog.getByText(words).waitFor();
      await dialog.getByRole("button", { name: "Keep it running" }).click();
      await dialog.waitFor({ state: "detached" });
    };
    const mark = (letter: string): Promise<void> =>
      page.type(`printf '\\e]133;${letter}\\a'; echo mark''ed ${letter}\n`);
    await asked("A terminal is being recorded: the recording ends with it. Its disk is kept.");
    await window.getByRole("button", { name: "Record this terminal" }).click();
    // A shell that does not tell.
    await asked("Whatever runs in it ends.");
    await mark("C");
    await page.untilScreen("marked C");
    await asked("A program runs in it, and ends with it.");
    await mark("A");
    await page.untilScreen("marked A");
    await window.getByRole("button", { name: "Stop", exact: true }).click();
    await page.untilEnvironment("stopped");
    await page.removeEnvironment();
  });
});

describe("the terminals of an environment", () => {
  test("are tabs, made by a key and by a button, each with a screen of its own", async () => {
    await page.createEnvironment();
    await page.type("PS1='$ '; echo fi''rst; printf '\\e]0;one\\a'\n");
    await page.untilScreen(/^first$/);
    await untilChosen("one");
    expect(await tabs().count()).toBe(1);

    await press("Control+Shift+Enter");
    await expect.poll(() => tabs().count(), DEADLINE).toBe(2);
    await page.untilTerminal("live");
    await page.type("PS1='$ '; echo se''cond; printf '\\e]0;two\\a'\n");
    const rows = await page.untilScreen(/^second$/);
    expect(rows.join("\n")).not.toContain("first");
    await untilChosen("two");

    await page.page.getByRole("button", { name: "Open another tab" }).click();
    await expect.poll(() => tabs().count(), DEADLINE).toBe(3);
    await page.untilTerminal("live");
    await page.type("PS1='$ '; printf '\\e]0;three\\a'\n");
    await untilChosen("three");
    expect(await tabs().allTextContents()).toEqual(["one", "two", "three"]);
    expect(await page.page.title()).toMatch(/^three · .+ · microterm$/);
  });

  test("are walked through by keys from within, and by arrows from the bar", async () => {
    await press("Control+Shift+ArrowRight");
    await untilChosen("one");
    await page.untilScreen(/^first$/);
    expect(await page.focused()).toBe("Terminal input");
    await press("Control+Shift+ArrowLeft");
    await untilChosen("three");

    await chosen().focus();
    for (const [key, name] of [
      ["ArrowLeft", "two"],
      ["Home", "one"],
      ["ArrowLeft", "three"],
      ["End", "three"],
    ] as const) {
      await press(key);
      await untilChosen(name);
      expect(await page.page.evaluate("document.activeElement.role")).toBe("tab");
    }
  });

  test("follow on unseen: no byte is lost, the bell is reported, and the folder", async () => {
    await tabs().nth(1).click();
    await page.type(
      "clear; sleep .5; for i in $(seq 500); do echo row $i; done; printf '\\a\\e]0;done\\a\\e]7;file://h/var/tmp\\a'\n",
    );
    await tabs().nth(0).click();
    await page.untilScreen(/^first$/);
    await tabs().nth(1).getByLabel("Bell:").waitFor();
    await expect.poll(() => tabs().nth(1).getAttribute("title"), DEADLINE).toBe("done\n/var/tmp");
    await tabs().nth(1).click();
    const rows = await page.untilScreen(/^row 500$/);
    const numbers = rows.flatMap((row) => /^row (\d+)$/.exec(row)?.[1] ?? []).map(Number);
    expect(numbers.length).toBeGreaterThan(10);
    expect(numbers).toEqual(numbers.map((_, i) => 500 - numbers.length + 1 + i));
    expect(await page.page.getByLabel("Bell:").count()).toBe(0);
  });

  test("are named by their address", async () => {
    const address = page.page.url();
    expect(new URL(address).searchParams.get("terminal")).toMatch(/^[a-z0-9]+$/);
    await page.page.goto(address);
    await untilChosen("done");
    await page.untilScreen(/^row 500$/);
    expect(await tabs().allTextContents()).toEqual(["one", "done", "three"]);
  });

  test("say how their programs ended while hidden, and are closed then without a question", async () => {
    await tabs().nth(2).click();
    await page.untilTerminal("live");
    await page.type("sleep 1; exit 7\n");
    await tabs().nth(0).click();
    await expect.poll(() => tabs().nth(2).textContent(), DEADLINE).toContain("exit 7");
    await page.page.getByRole("button", { name: "Close three" }).click({ force: true });
    await expect.poll(() => tabs().count(), DEADLINE).toBe(2);
    await untilChosen("one");
  });

  test("are closed after a question while something may run, and the next one takes the focus", async () => {
    await chosen().focus();
    await press("Delete");
    const question = page.page.getByRole("alertdialog");
    await question.getByText("Close one?").waitFor();
    await question.getByRole("button", { name: "Keep it" }).click();
    expect(await tabs().count()).toBe(2);

    // A shell that tells of its prompts is known to be at one.
    await page.type("PS1='\\[\\e]133;A\\a\\]$ \\[\\e]133;B\\a\\]'\n");
    await page.type("printf '\\e]133;C\\a'; echo bu''sy; cat\n");
    await page.untilScreen(/^busy$/);
    await page.page.getByRole("button", { name: "Close one" }).click();
    await question.getByText("A program runs in it").waitFor();
    await question.getByRole("button", { name: "Close", exact: true }).click();
    await expect.poll(() => tabs().count(), DEADLINE).toBe(1);
    await untilChosen("done");
    await page.untilTerminal("live");
    await expect.poll(() => page.focused(), DEADLINE).toBe("Terminal input");
  });

  test("appear and go as they do in another window", async () => {
    const path = `/v1/environments/${page.environmentId()}/terminals`;
    const { id } = await world.server.ok("POST", path, {});
    await expect.poll(() => tabs().count(), DEADLINE).toBe(2);
    await untilChosen("done");
    await world.server.call("DELETE", `${path}/${id}`);
    await expect.poll(() => tabs().count(), DEADLINE).toBe(1);
  });

  test("jump from prompt to prompt", async () => {
    await page.type("PS1='\\[\\e]133;D;$?\\a\\e]133;A\\a\\]# \\[\\e]133;B\\a\\]'; PS0='\\[\\e]133;C\\a\\]'\n");
    for (const [command, last] of [
      ["seq 100 160", "160"],
      ["false; seq 200 260", "260"],
      ["(exit 3)", "# (exit 3)"],
      ["seq 300 360", "360"],
    ]) {
      await page.type(`${command}\n`);
      await page.untilScreen((rows) => {
        const written = rows.filter((row) => row !== "");
        return written.at(-1) === "#" && written.at(-2) === last;
      });
    }
    await press("Control+Shift+ArrowUp");
    await page.untilScreen((rows) => rows[0] === "# seq 300 360");
    await press("Control+Shift+ArrowUp");
    await page.untilScreen((rows) => rows[0] === "# (exit 3)");
    expect(await page.page.locator(".terminal-failure").count()).toBe(1);
    await press("Control+Shift+ArrowUp");
    await page.untilScreen((rows) => rows[0] === "# false; seq 200 260");
    await press("Control+Shift+ArrowDown");
    await press("Control+Shift+ArrowDown");
    await page.untilScreen((rows) => rows[0] === "# seq 300 360");

    await page.page.reload();
    await page.untilTerminal("live");
    await page.untilScreen(/^360$/);
    await press("Control+Shift+ArrowUp");
    await press("Control+Shift+ArrowUp");
    await page.untilScreen((rows) => rows[0] === "# (exit 3)");
    await expect.poll(() => page.page.locator(".terminal-failure").count(), DEADLINE).toBe(1);
  });

  test("are in view on a phone, as far as they are chosen, over a status bar that fits", async () => {
    await page.page.setViewportSize({ width: 390, height: 844 });
    const edges = (selector: string): Promise<{ left: number; right: number; inner: number; outer: number }> =>
      page.page.evaluate(`(() => {
        const one = document.querySelector('${selector}');
        const { left, right } = one.getBoundingClientRect();
        return { left, right, inner: one.scrollWidth, outer: one.clientWidth };
      })()`);
    for (const number of [2, 3, 4]) {
      await page.page.getByRole("button", { name: "Open another tab" }).click();
      await expect.poll(() => tabs().count(), DEADLINE).toBe(number);
    }
    await page.untilTerminal("live");
    await page.type("printf '\\e]0;a long name for a small window\\a'\n");
    await untilChosen("a long name");
    await expect
      .poll(async () => (await edges('[role="tab"][aria-selected="true"]')).right, DEADLINE)
      .toBeLessThanOrEqual((await edges('[role="tablist"] + div')).right + 0.5);
    const bar = page.page.getByRole("contentinfo");
    for (const words of ["Running", "Not isolated", "Why?"]) await bar.getByText(words, { exact: true }).waitFor();
    for (const width of [390, 700, 800, 1000]) {
      await page.page.setViewportSize({ width, height: 844 });
      const { inner, outer } = await edges("footer");
      expect(inner, `${width} px`).toBeLessThanOrEqual(outer);
    }
  });

  test("are removed without an error on the page", async () => {
    expect(await page.removeEnvironment()).toContain("Nothing is left.");
    expect(page.errors).toEqual([]);
  });
});
