import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PageObject, signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

/** Bytes of brotli until the first terminal, fonts apart. */
const BUDGET = 320 * 1024;

let world: ProcessPage;
beforeAll(async () => {
  world = await startProcessPage({ isCompressed: true });
});
afterAll(() => world?.close());

interface Loaded {
  readonly path: string;
  readonly encoding: string | undefined;
  readonly bytes: number;
}

/** A window with a session and an empty cache, and all that it asks for. */
async function visit(path: string): Promise<{ page: Page; asked: string[]; loaded: Loaded[]; said: string[] }> {
  const { context: signedIn } = await signIn(world.browser, world.server);
  const context = await world.browser.newContext({ storageState: await signedIn.storageState() });
  await signedIn.close();
  const page = await context.newPage();
  const loaded: Loaded[] = [];
  const asked: string[] = [];
  const said: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  // Warnings tell of the machine: of slow graphics, or of a preload that the page was slow to use. One in vain is asked for twice.
  page.on("console", (message) => {
    if (message.type() === "error") said.push(message.text());
  });
  page.on("pageerror", (error) => said.push(error.message));
  page.on("response", (response) => {
    const headers = response.headers();
    loaded.push({
      path: new URL(response.url()).pathname,
      encoding: headers["content-encoding"],
      bytes: Number(headers["content-length"] ?? 0),
    });
  });
  await page.goto(world.server.url + path);
  return { page, asked, loaded, said };
}

const isFile = ({ path }: Loaded): boolean => !path.startsWith("/v1/");
const isFont = ({ path }: Loaded): boolean => path.endsWith(".woff2");
const twice = (loaded: readonly Loaded[]): string[] =>
  loaded.map(({ path }) => path).filter((path, i, paths) => paths.indexOf(path) !== i);

describe("a first visit", () => {
  test("to an environment loads each file once, compressed, the terminal beside the page, and within its budget", async () => {
    const { id } = await world.server.environment();
    const { page, asked, loaded, said } = await visit(`/e/${id}`);
    const terminal = new PageObject(page, page.context(), []);
    await terminal.untilTerminal("live");
    await page.locator("[data-terminal] canvas").first().waitFor();
    // What else is loaded comes right after.
    await page.waitForLoadState("networkidle");
    const host = "/v1/host";
    expect(twice(loaded.filter(({ path }) => path !== host))).toEqual([]);

    const files = loaded.filter((one) => isFile(one) && !isFont(one));
    expect(files.filter(({ encoding }) => encoding !== "br")).toEqual([]);
    expect(files.length).toBeGreaterThan(5);
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(total, JSON.stringify(files, null, 1)).toBeLessThanOrEqual(BUDGET);
    console.log(`to the first terminal: ${total} bytes of brotli in ${files.length} files, fonts apart`);

    const session = asked.indexOf("/v1/session");
    for (const early of [/terminal-pane.*js$/, /addon-webgl/, /jetbrains-mono-latin-wght/, /inter-latin-wght/]) {
      const at = asked.findIndex((path) => early.test(path));
      expect([early, at >= 0 && at < session]).toEqual([early, true]);
    }
    // Network and plots are not for everybody: they come when they are asked for.
    const plots = () => asked.filter((path) => /usage-panel.*\.(js|css)$/.test(path));
    expect(plots()).toEqual([]);
    const panels = () => asked.filter((path) => /network-panel.*\.js$/.test(path)).length;
    expect(panels()).toBe(0);
    await page.getByRole("button", { name: /^Network: / }).click();
    await page.locator("[data-network]").waitFor();
    expect(panels()).toBe(1);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Usage" }).click();
    await page.locator("[data-usage] canvas").first().waitFor();
    expect(plots().length).toBe(2);
    expect(loaded.filter(isFont).length).toBe(2);
    expect(said).toEqual([]);
    await page.context().close();
  });

  test("to the list loads nothing of the terminal", async () => {
    const { page, loaded, said } = await visit("/");
    await page.getByRole("table").waitFor();
    await page.getByRole("contentinfo").getByText("microterm").waitFor();
    await page.waitForLoadState("networkidle");
    expect(twice(loaded)).toEqual([]);
    expect(loaded.filter(({ path }) => /terminal|webgl|mono/.test(path))).toEqual([]);
    expect(loaded.filter((one) => isFile(one) && !isFont(one) && one.encoding !== "br")).toEqual([]);
    expect(said).toEqual([]);
    await page.context().close();
  });
});
