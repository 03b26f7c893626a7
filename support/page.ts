import { type Browser, type BrowserContext, chromium, type Locator, type Page } from "playwright-core";
import type { TestServer } from "./server.ts";

/** Debian's Chromium, not one that playwright downloads. */
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** Long enough for an emulated guest on a loaded host. */
const DEADLINE_MS = 120_000;

export const launchBrowser = (flags: readonly string[] = []): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS, ...flags] });

export interface VisitOptions {
  readonly colorScheme?: "light" | "dark";
  readonly renderer?: "dom" | "webgl";
  /** An HTTP proxy's address, for loopback too. */
  readonly proxy?: string;
}

/** A browser window of its own with a session, at the list of environments. */
export async function signIn(
  browser: Browser,
  server: Pick<TestServer, "url" | "ok">,
  options: VisitOptions = {},
): Promise<PageObject> {
  const { token } = await server.ok("POST", "/v1/links");
  const context = await browser.newContext({
    viewport: { width: 1200, height: 720 },
    ...(options.colorScheme && { colorScheme: options.colorScheme }),
    ...(options.proxy && { proxy: { server: options.proxy, bypass: "<-loopback>" } }),
  });
  context.setDefaultTimeout(DEADLINE_MS);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  // `renderer` is read from the address that the page is loaded from, and holds from there on.
  await page.goto(`${server.url}/sign-in?renderer=${options.renderer ?? "dom"}#token=${token}`);
  await page.waitForURL((url) => url.pathname === "/");
  return new PageObject(page, context, errors);
}

/** What a person does and sees on the page. `read…` needs the DOM renderer. */
export class PageObject {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Uncaught exceptions of the page's scripts: none, in a good run. */
  readonly errors: readonly string[];

  constructor(page: Page, context: BrowserContext, errors: readonly string[]) {
    this.page = page;
    this.context = context;
    this.errors = errors;
  }

  get terminal(): Locator {
    return this.page.locator("[data-terminal]");
  }

  /** Clicks "New environment" and waits for a connected terminal. Resolves with the id. */
  /** Rejects with what the page shows instead. */
  async untilPath(isThere: (path: string) => boolean): Promise<void> {
    await this.page
      .waitForURL((url) => isThere(url.pathname))
      .catch(async (error: unknown) => {
        throw new Error(`${error}\nat ${this.page.url()}: ${await this.page.locator("body").ariaSnapshot()}`);
      });
  }

  async createEnvironment(): Promise<string> {
    await this.page.getByRole("button", { name: "New environment", exact: true }).click();
    await this.untilPath((path) => path.startsWith("/e/"));
    await this.untilTerminal("live");
    return this.environmentId();
  }

  /** Opens an environment by its address, as a link or bookmark does. */
  async open(id: string, renderer: "dom" | "webgl" = "dom"): Promise<void> {
    await this.page.goto(new URL(`/e/${id}?renderer=${renderer}`, this.page.url()).href);
  }

  environmentId(): string {
    return new URL(this.page.url()).pathname.replace(/^\/e\//, "");
  }

  /** `opening`, `live`, `reconnecting`, `exited` or `ended`. */
  async untilTerminal(state: string): Promise<void> {
    await this.until(`[data-terminal][data-state="${state}"]`);
  }

  /** An environment's state, as the page knows it. */
  async untilEnvironment(state: string): Promise<void> {
    await this.until(`[data-environment-state="${state}"]`);
  }

  /** Fails with what the page shows instead. */
  private async until(selector: string): Promise<void> {
    try {
      await this.page.waitForSelector(selector, { timeout: DEADLINE_MS });
    } catch (cause) {
      const shown = await this.page.locator("body").ariaSnapshot();
      const data = await this.page.evaluate<string>(
        "JSON.stringify([...document.querySelectorAll('[data-environment], [data-terminal]')].map((e) => ({ ...e.dataset })))",
      );
      const { errors } = this;
      throw new Error(`${this.page.url()} did not come to ${selector}: ${data}\n${errors.join("\n")}\n${shown}`, {
        cause,
      });
    }
  }

  /** Types into the terminal, key by key. `\n` is Enter. */
  async type(text: string): Promise<void> {
    await this.page.getByLabel("Terminal input").focus();
    await this.page.keyboard.type(text);
  }

  /** Puts the text on the terminal as a paste event of the browser does. */
  async paste(text: string): Promise<void> {
    // As text, because the tests' own types are Node's and have no DOM.
    await this.page.evaluate(`{
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", ${JSON.stringify(text)});
      const paste = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
      document.querySelector("[data-terminal] textarea").dispatchEvent(paste);
    }`);
  }

  /** Files, by name and size, dragged over the page or dropped on it. Fails where the browser would leave the page for them. */
  async drag(kind: "dragover" | "drop", files: Readonly<Record<string, number>>): Promise<void> {
    const isLeft = await this.page.evaluate<boolean>(`{
      const dataTransfer = new DataTransfer();
      for (const [name, size] of Object.entries(${JSON.stringify(files)}))
        dataTransfer.items.add(new File([new Uint8Array(size)], name));
      const event = new DragEvent("${kind}", { dataTransfer, bubbles: true, cancelable: true });
      document.querySelector("main").dispatchEvent(event);
    }`);
    if (isLeft) throw new Error(`the page is left at a ${kind}`);
  }

  /** The accessible name of what has the focus, as far as `aria-label` gives it. */
  focused(): Promise<string | null> {
    return this.page.evaluate<string | null>("document.activeElement?.getAttribute('aria-label') ?? null");
  }

  /** The visible rows, without the blanks at their ends. */
  async readScreen(): Promise<string[]> {
    const rows = await this.page.locator("[data-terminal] .xterm-rows > div").allTextContents();
    return rows.map((row) => row.replaceAll("\u00a0", " ").trimEnd());
  }

  /** Resolves with the screen once it has `wanted` in one of its rows, or once the function says so. */
  async untilScreen(wanted: string | RegExp | ((rows: readonly string[]) => boolean)): Promise<string[]> {
    const fits = (rows: readonly string[]): boolean => {
      if (typeof wanted === "function") return wanted(rows);
      return rows.some((row) => (typeof wanted === "string" ? row.includes(wanted) : wanted.test(row)));
    };
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const rows = await this.readScreen();
      if (fits(rows)) return rows;
      if (Date.now() > deadline) throw new Error(`The screen did not come to ${wanted}:\n${rows.join("\n")}`);
      await this.page.waitForTimeout(50);
    }
  }

  /** The terminal's size, as the status bar tells it. */
  async size(): Promise<{ readonly columns: number; readonly rows: number }> {
    const [columns = 0, rows = 0] = ((await this.page.getByTitle("Columns and rows").textContent()) ?? "").split("×");
    return { columns: Number(columns), rows: Number(rows) };
  }

  /** All output before this offset has been drawn. */
  async drawnOffset(): Promise<bigint> {
    return BigInt((await this.terminal.getAttribute("data-offset")) ?? "0");
  }

  /** Stops the environment that is open, whatever the page asks: it can't know what runs in a shell that does not tell. */
  async stopEnvironment(): Promise<void> {
    await this.page.getByRole("button", { name: "Stop", exact: true }).click();
    await this.page.getByRole("alertdialog").getByRole("button", { name: "Stop", exact: true }).click();
    await this.untilEnvironment("stopped");
  }

  /** Removes the environment that is open. Resolves with the receipt's words. */
  async removeEnvironment(): Promise<string> {
    await this.page.getByRole("button", { name: "Remove", exact: true }).click();
    const dialog = this.page.getByRole("alertdialog");
    await dialog.getByRole("button", { name: "Remove", exact: true }).click();
    const receipt = await dialog.locator("[data-receipt]").textContent();
    await dialog.getByRole("button", { name: "Done" }).click();
    return receipt ?? "";
  }

  close(): Promise<void> {
    return this.context.close();
  }
}
