import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { PageObject } from "./page.ts";
import { joinWindow, openWindow, type Window } from "./person-page.ts";
import { type ProcessPage, startProcessPage } from "./process-page.ts";

/** Several people at one server's page. */
export interface PeopleSuite {
  /** The server of this file. */
  readonly world: ProcessPage;
  /** A name that nobody has. */
  fresh(): string;
  /** Closes the window after the test, which fails where its page has thrown. */
  kept(page: PageObject): PageObject;
  /** A window of somebody who is not signed in, at an address of the page. */
  open(address: string, window?: Window): Promise<PageObject>;
  /** A window of a new account, at the list. */
  join(name: string, role?: string): Promise<PageObject>;
}

/** For the top of a test file: a server before its tests, and no window left after each. */
export function peopleSuite(): PeopleSuite {
  let world: ProcessPage | null = null;
  let windows: PageObject[] = [];
  let count = 0;
  beforeAll(async () => {
    world = await startProcessPage();
  });
  afterEach(async () => {
    const errors = windows.flatMap((one) => one.errors);
    await Promise.all(windows.map((one) => one.close()));
    windows = [];
    expect(errors).toEqual([]);
  });
  afterAll(() => world?.close());
  const suite: PeopleSuite = {
    get world() {
      if (world === null) throw new Error("the server has not started");
      return world;
    },
    fresh: () => `person${++count}`,
    kept(page) {
      windows.push(page);
      return page;
    },
    open: async (address, window) =>
      suite.kept(await openWindow(suite.world.browser, new URL(address, suite.world.server.url).href, window)),
    join: async (name, role) =>
      suite.kept(
        await joinWindow(suite.world.browser, suite.world.server, role === undefined ? { name } : { name, role }),
      ),
  };
  return suite;
}

export const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true });
