import type { Browser } from "playwright-core";
import { builtPage } from "./built-page.ts";
import { launchBrowser } from "./page.ts";
import { startServer, type TestServer } from "./server.ts";

/** A browser and a page over a real server on the `process` driver: all of the page but what only a guest of its own can do. */
export interface ProcessPage {
  /** The one that runs now. */
  readonly server: TestServer;
  readonly browser: Browser;
  /** SIGKILL, then `meanwhile`, then another server on the same data and port. */
  restartServer(meanwhile: () => Promise<void>): Promise<void>;
  /** Ends all of it. Rejects when a process is left. */
  close(): Promise<void>;
}

export async function startProcessPage(options: Parameters<typeof builtPage>[0] = {}): Promise<ProcessPage> {
  const web = await builtPage(options);
  let server = await startServer({ args: ["--web", web.path] });
  const browser = await launchBrowser().catch(async (error: unknown) => {
    await server.dispose();
    throw error;
  });
  return {
    get server() {
      return server;
    },
    browser,
    async restartServer(meanwhile) {
      const { data, port } = server;
      await server.kill("SIGKILL");
      await meanwhile();
      server = await startServer({ data, args: ["--web", web.path, "--port", String(port)] });
    },
    async close() {
      await browser.close();
      const left = await server.dispose();
      await web.remove();
      if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
    },
  };
}
