import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type GuestPage, startGuestPage } from "../../support/guest-page.ts";
import { type PageObject, signIn } from "../../support/page.ts";
import { differences, readPixels } from "../../support/page-pixels.ts";

const PROMPT = /^dev@[a-z]+-[a-z]+(-[a-z0-9]+)?:~\$$/;
const DEADLINE = { timeout: 120_000 };

let guests: GuestPage;
/** Types, and is read as text. */
let page: PageObject;
/** Looks at the same terminal with WebGL. */
let onlooker: PageObject | undefined;
let id = "";
beforeAll(async () => {
  guests = await startGuestPage();
  page = await signIn(guests.browser, guests.world.server, { colorScheme: "dark" });
});
afterAll(() => guests?.close());
/** Each test goes on where the last one ended; a second try can't, as a program may have been left open. */
beforeEach(async ({ task }) => {
  if ((task.result?.retryCount ?? 0) > 0) await openAnother();
});

async function openAnother(): Promise<void> {
  if (id !== "") await guests.world.server.call("DELETE", `/v1/environments/${id}`);
  await page.page.goto(new URL("/", guests.world.server.url).href);
  await page.page.setViewportSize({ width: 1200, height: 720 });
  id = await page.createEnvironment();
  await page.untilScreen(PROMPT);
  await onlooker?.open(id, "webgl");
  await onlooker?.untilTerminal("live");
}

const press = (...keys: readonly string[]): Promise<void> =>
  keys.reduce((before, key) => before.then(() => page.page.keyboard.press(key)), Promise.resolve());

/** Every character of the page's text is ink on the screen that WebGL draws, and there is no other ink. */
async function expectDrawn(): Promise<void> {
  await expect
    .poll(async () => {
      const text = await page.readScreen();
      const cells = await readPixels(onlooker as PageObject);
      const isStill = text.join("\n") === (await page.readScreen()).join("\n");
      return isStill ? differences(cells, text) : ["it moves"];
    }, DEADLINE)
    .toEqual([]);
}

describe("a terminal in a real guest", () => {
  test("is one click away, and says what it is", async () => {
    await openAnother();
    const bar = page.page.getByRole("contentinfo");
    for (const words of ["Running", "Emulated: slow, don't run untrusted code.", "Network: loopback only"]) {
      expect(await bar.textContent()).toContain(words);
    }
    onlooker = await signIn(guests.browser, guests.world.server, { colorScheme: "dark", renderer: "webgl" });
    await onlooker.open(id, "webgl");
    await onlooker.untilTerminal("live");
    expect(await onlooker.page.locator("[data-terminal] canvas").count()).toBeGreaterThan(0);
  });

  test("runs what is typed", async () => {
    await page.type("echo $((6 * 7)) of $(id -un) on $(uname -s)\n");
    await page.untilScreen(/^42 of dev on Linux$/);
    await expectDrawn();
  });

  test("draws vim, which edits a file", async () => {
    const lines = Array.from({ length: 5 }, (_, i) => `line ${i + 1} of the file`);
    await guests.world.run(id, `printf '%s\\n' '${lines.join("' '")}' > notes.txt`);
    await page.type("vim notes.txt\n");
    const rows = await page.untilScreen(/^"notes.txt" 5L, 95B +1,1 +All$/);
    expect(rows.slice(0, 5)).toEqual(lines);
    expect(new Set(rows.slice(5, -1))).toEqual(new Set(["~"]));
    await expectDrawn();

    await press("ArrowDown", "ArrowDown", "End");
    await page.type("a, changed");
    await page.untilScreen("-- INSERT --");
    await press("Escape");
    await page.type(":wq\n");
    await page.untilScreen(PROMPT);
    expect((await guests.world.run(id, "sed -n 3p notes.txt")).stdout).toBe("line 3 of the file, changed\n");
  });

  test("draws tmux with its panes and its bar, also after the window's size has changed", async () => {
    await page.type("clear; tmux new -s work\n");
    await page.untilScreen(/^\[work\] 0:bash\* .* \d\d:\d\d \d\d-\w{3}-\d\d$/);
    await press("Control+b", "%");
    await page.untilScreen((rows) => rows.slice(0, -1).every((row) => row.includes("│")));
    await press("Control+b", '"');
    await page.untilScreen("├─");
    await page.type("echo lower-$((1 + 1))\n");
    await page.untilScreen(/│lower-2/);
    await press("Control+b", "ArrowLeft");
    await page.type("echo left-$((1 + 1))\n");
    await page.untilScreen(/^left-2 +│/);
    await expectDrawn();

    const panes = async () => {
      const rows = await page.readScreen();
      const column = rows[0]?.indexOf("│") ?? -1;
      const split = rows.findIndex((row) => row[column] === "├");
      const { columns } = await page.size();
      return {
        columns,
        isUpright: rows.slice(0, -1).every((row, y) => row[column] === (y === split ? "├" : "│")),
        isLevel: rows[split]?.slice(column) === `├${"─".repeat(columns - column - 1)}`,
        isBelow: rows.findIndex((row) => row.includes("lower-2")) > split && split > 0,
        hasBar: /^\[work\] 0:bash\*/.test(rows.at(-1) ?? ""),
      };
    };
    const drawn = { isUpright: true, isLevel: true, isBelow: true, hasBar: true };
    const { columns } = await panes();
    expect(await panes()).toEqual({ columns, ...drawn });
    await page.page.setViewportSize({ width: 960, height: 600 });
    await expect.poll(panes, DEADLINE).toMatchObject(drawn);
    await expect.poll(async () => (await panes()).columns, DEADLINE).toBeLessThan(columns);
    await expect.poll(panes, DEADLINE).toMatchObject(drawn);
    await page.page.setViewportSize({ width: 1200, height: 720 });
    await expect.poll(panes, DEADLINE).toEqual({ columns, ...drawn });
    await page.type("tmux kill-server\n");
    await page.untilScreen("[server exited]");
  });

  test("draws htop", async () => {
    await page.type("clear; htop -d 100\n");
    const rows = await page.untilScreen(/^F1Help +F2Setup +F3Search.*F10Quit/);
    const screen = rows.join("\n");
    for (const part of [
      /^ +(0|CPU)\[.*%\]/m,
      /Mem\[.*M\/.*M\]/,
      /Tasks: +\d+/,
      /Load average: +\d/,
      /Uptime: +\d\d:/,
    ]) {
      expect(screen).toMatch(part);
    }
    const head = rows.find((row) => /^ *PID +USER +PRI +NI +VIRT +RES +SHR +S +CPU%.MEM% +TIME\+ +Command$/.test(row));
    const init = rows.find((row) => /^ +1 root /.test(row)) ?? "";
    expect(init[head?.indexOf(" S ") === undefined ? -1 : head.indexOf(" S ") + 1]).toMatch(/[RSD]/);
    await expectDrawn();
    await page.type("q");
    await page.untilScreen(PROMPT);
  });

  test("tells the guest how large the window is", async () => {
    const stty = async () => {
      const { columns, rows } = await page.size();
      await page.type("clear; stty size\n");
      await page.untilScreen(new RegExp(`^${rows} ${columns}$`));
      return { columns, rows };
    };
    const before = await stty();
    await page.page.setViewportSize({ width: 800, height: 500 });
    await expect.poll(() => page.size(), DEADLINE).not.toEqual(before);
    const small = await stty();
    expect(small.columns).toBeLessThan(before.columns);
    expect(small.rows).toBeLessThan(before.rows);
    await page.page.setViewportSize({ width: 1200, height: 720 });
    await expect.poll(() => page.size(), DEADLINE).toEqual(before);
    await stty();
  });

  test("shows the world's scripts in as many cells as programs count on", async () => {
    const lines = ["日本語|", "abcdef|", "ひらgh|", "한글gh|", "ßüéñøå|", "🚀👍日|", "e\u0301a\u0308cdef|", "▁▂▃▄▅▆|"];
    await guests.world.run(id, `printf '%s\\n' '${lines.join("' '")}' > scripts.txt`);
    await page.type("clear; cat scripts.txt\n");
    const rows = await page.untilScreen("▁▂▃▄▅▆|");
    const first = rows.indexOf("日本語|");
    expect(rows.slice(first, first + lines.length)).toEqual(lines);
    const edges = await page.page.evaluate<
      number[]
    >(`[...document.querySelectorAll("[data-terminal] .xterm-rows > div")]
      .slice(${first}, ${first + lines.length})
      .map((row) => Math.round(row.querySelector("span:last-of-type").getBoundingClientRect().right))`);
    expect(edges.map((edge) => Math.abs(edge - (edges[1] ?? 0)) <= 1)).toEqual(lines.map(() => true));
    await page.type("clear; echo 'typed: 日本 ✓ é 🚀'\n");
    await page.untilScreen(/^typed: 日本 ✓ é 🚀$/);
  });

  test("has colours, and the same with WebGL", async () => {
    const script = String.raw`printf '\e[31mred\e[m \e[1;32mbold\e[m \e[38;2;255;128;0morange\e[m \e[4munder\e[m \e[48;2;10;120;30m    \e[m|\n'`;
    await guests.world.run(id, `cat > colours.sh <<'END'\n${script}\nEND`);
    await page.type("clear; sh colours.sh\n");
    const rows = await page.untilScreen(/^red bold orange under {5}\|$/);
    const row = rows.findIndex((text) => text.startsWith("red bold"));
    const styles = await page.page.evaluate<[string, string[]][]>(`
      [...document.querySelectorAll("[data-terminal] .xterm-rows > div")][${row}].querySelectorAll("span").values()
        .map((span) => [span.textContent.trim(), getComputedStyle(span)])
        .map(([text, style]) => [text, [style.color, style.backgroundColor, style.fontWeight, style.textDecorationLine]])
        .toArray()`);
    const plain = "rgba(0, 0, 0, 0)";
    const style = Object.fromEntries(styles);
    expect(style.red).toEqual(["rgb(242, 119, 122)", plain, "400", "none"]);
    // Bold is bright too, as in xterm.
    expect(style.bold).toEqual(["rgb(160, 230, 168)", plain, "700", "none"]);
    expect(style.orange).toEqual(["rgb(255, 128, 0)", plain, "400", "none"]);
    expect(style.under?.[3]).toBe("underline");
    const green = rows[row]?.indexOf("   |") ?? -1;
    await expect
      .poll(async () => (await readPixels(onlooker as PageObject))[row]?.[green]?.corner, DEADLINE)
      .toBe("rgb(10, 120, 30)");
  });

  test("ends with its shell, and another one is a click away", async () => {
    await page.type("exit\n");
    await page.untilTerminal("exited");
    await page.page.getByText("Exited with code 0").waitFor();
    await page.page.getByRole("button", { name: "New terminal" }).click();
    await page.untilTerminal("live");
    await page.untilScreen(PROMPT);
  });

  test("is removed with all there was of it", async () => {
    expect(await page.removeEnvironment()).toMatch(/^Removed: [1-9]\d* process.* of disk\. Nothing is left\.$/);
    await page.page.getByRole("heading", { name: "No environments yet" }).waitFor();
    expect((await guests.world.server.call("GET", `/v1/environments/${id}`)).status).toBe(404);
    expect([...page.errors, ...(onlooker?.errors ?? [])]).toEqual([]);
  });
});
