import { rm } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { buildPage, launchBrowser } from "./page.ts";
import { startServer, type TestServer } from "./server.ts";

/** A browser and a page over a real server on the `process` driver: all of the page but what only a guest of its own can do. */
export interface ProcessPage {
  readonly server: TestServer;
  readonly browser: Browser;
  /** Ends all of it. Rejects when a process is left. */
  close(): Promise<void>;
}

export async function startProcessPage(): Promise<ProcessPage> {
  const web = await buildPage();
  const server = await startServer({ args: ["--web", web] });
  const browser = await launchBrowser().catch(async (error: unknown) => {
    await server.dispose();
    throw error;
  });
  return {
    server,
    browser,
    async close() {
      await browser.close();
      const left = await server.dispose();
      await rm(web, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
    },
  };
}
