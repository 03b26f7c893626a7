import type { Browser } from "playwright-core";
import { builtPage } from "./built-page.ts";
import { launchBrowser } from "./page.ts";
import { type QemuServer, startQemuServer } from "./qemu-server.ts";

/** A browser and a page over real guests: daemon as root, server as an ordinary user, `qemu` driver. */
export interface GuestPage {
  readonly world: QemuServer;
  readonly browser: Browser;
  /** Ends all of it. Rejects when anything is left on the host. */
  close(): Promise<void>;
}

export async function startGuestPage(): Promise<GuestPage> {
  const web = await builtPage();
  const world = await startQemuServer({ serverArgs: ["--web", web.path] });
  const browser = await launchBrowser().catch(async (error: unknown) => {
    await world.close();
    throw error;
  });
  return {
    world,
    browser,
    async close() {
      await browser.close();
      await world.close();
      await web.remove();
    },
  };
}
