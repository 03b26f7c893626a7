import type { Page } from "playwright-core";
import { beforeAll, expect } from "vitest";
import { AXE } from "./axe.ts";
import { type PageObject, signIn } from "./page.ts";
import { button, type PeopleSuite, peopleSuite } from "./people-suite.ts";
import { openWindow, type Window } from "./person-page.ts";

/** What is waited for on a page by polling. */
export const DEADLINE = { timeout: 120_000 };
/** Of one step of somebody: what is shared is shown at once. */
const STEP_MS = 20_000;

/** The data folder's account at a terminal of its own, and others who come and go. */
export interface SharingSuite extends PeopleSuite {
  readonly owner: PageObject;
  /** The dialog of the terminal that is looked at. */
  openDialog(): Promise<Page>;
  closeDialog(): Promise<void>;
  /** Ends all that is shared. */
  endAll(): Promise<void>;
  /** Makes a link in the dialog. */
  shareByLink(change?: (page: Page) => Promise<unknown>): Promise<string>;
  /** A window of somebody without an account, at a link. */
  guest(link: string, window?: Window): Promise<PageObject>;
  /** A window of somebody with a new account, who has opened a link. */
  member(name: string, link: string): Promise<PageObject>;
}

export function sharingSuite(): SharingSuite {
  const people = peopleSuite();
  let owner: PageObject | null = null;
  const opened = (): PageObject => {
    if (owner === null) throw new Error("the terminal's owner is not there");
    return owner;
  };
  beforeAll(async () => {
    const { browser, server } = people.world;
    owner = await signIn(browser, server);
    owner.context.setDefaultTimeout(STEP_MS);
    await owner.context.addInitScript(AXE);
    await owner.createEnvironment();
    await owner.page.reload();
    await owner.untilTerminal("live");
    return () => expect(opened().errors).toEqual([]);
  });
  const suite: SharingSuite = {
    // Not spread: `world` is known later.
    get world() {
      return people.world;
    },
    get owner() {
      return opened();
    },
    fresh: people.fresh,
    kept: people.kept,
    open: people.open,
    async join(name, role) {
      const page = await people.join(name, role);
      page.context.setDefaultTimeout(STEP_MS);
      await page.context.addInitScript(AXE);
      return page;
    },
    async openDialog() {
      const { page } = suite.owner;
      await button(page, "Share").click();
      await page.getByRole("dialog", { name: /^Share / }).waitFor();
      return page;
    },
    async closeDialog() {
      const { page } = suite.owner;
      await page.keyboard.press("Escape");
      await expect.poll(() => page.getByRole("dialog").count(), DEADLINE).toBe(0);
    },
    async endAll() {
      const page = await suite.openDialog();
      await nothingShared(page).or(sharedNow(page)).first().waitFor();
      const end = button(page, /^End it/);
      for (let left = await end.count(); left > 0; left--) {
        await end.first().click();
        await expect.poll(() => end.count(), DEADLINE).toBe(left - 1);
      }
      await nothingShared(page).waitFor();
      await suite.closeDialog();
    },
    async shareByLink(change = async () => undefined) {
      const page = await suite.openDialog();
      await change(page);
      await button(page, "Make a link").click();
      const link = await page.getByLabel("Link to this terminal", { exact: true }).inputValue();
      await suite.closeDialog();
      return link;
    },
    async guest(link, window = {}) {
      const page = suite.kept(await openWindow(people.world.browser, atDom(link), window));
      page.context.setDefaultTimeout(STEP_MS);
      await page.context.addInitScript(AXE);
      await page.page.reload();
      return page;
    },
    async member(name, link) {
      const page = await suite.join(name);
      await page.page.goto(atDom(link));
      await button(page.page, "Open the terminal").click();
      await page.untilTerminal("live");
      return page;
    },
  };
  return suite;
}

/** Screens are read from the DOM. */
const atDom = (link: string): string => link.replace("#", "?renderer=dom#");

export const sharedNow = (page: Page) => page.getByRole("dialog").getByRole("list", { name: "Shared now" });
export const nothingShared = (page: Page) => page.getByText("Nobody but you sees this terminal.");
export const withoutAccount = (page: Page) => page.getByLabel("People without an account too").check();

/** Takes a link with a name, without an account. */
export async function acceptAs({ page }: PageObject, name: string): Promise<void> {
  await page.getByLabel("Your name").fill(name);
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.pathname.startsWith("/shared/"));
}

/** Under a shared terminal: what one may do there. */
export const statusOf = ({ page }: PageObject, words: string) => page.getByRole("contentinfo").getByText(words);
