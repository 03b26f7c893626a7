import type { Browser, Page } from "playwright-core";
import { PageObject } from "./page.ts";
import { PASSWORD } from "./people.ts";
import type { TestServer } from "./server.ts";

/** Long enough for a loaded host. */
const DEADLINE_MS = 120_000;

export interface Window {
  readonly colorScheme?: "light" | "dark";
  readonly viewport?: { readonly width: number; readonly height: number };
}

/** A browser of somebody who is not signed in, at an address of the page. */
export async function openWindow(browser: Browser, url: string, window: Window = {}): Promise<PageObject> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 720 }, ...window });
  context.setDefaultTimeout(DEADLINE_MS);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(url);
  return new PageObject(page, context, errors);
}

/** Fills in name and password, and presses Enter. */
export async function typePassword(page: Page, name: string, password = PASSWORD): Promise<void> {
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.keyboard.press("Enter");
}

/** A browser in which somebody has just made an account by an invitation; at the list. */
export async function joinWindow(
  browser: Browser,
  server: TestServer,
  { name, role = "member", ...window }: Window & { readonly name: string; readonly role?: string },
): Promise<PageObject> {
  const { code } = await server.ok("POST", "/v1/invitations", { role });
  const page = await openWindow(browser, `${server.url}/invitation?renderer=dom#${code}`, window);
  await typePassword(page.page, name);
  await page.untilPath((path) => path === "/");
  return page;
}
