import { type ComponentType, type LazyExoticComponent, lazy } from "react";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * A part of a page that is loaded when it is first shown. While its code cannot be had, as the server is gone, it is asked for again, and the
 * page goes on without it: `lazy` alone has a part that failed take the whole page with it.
 */
// biome-ignore lint/suspicious/noExplicitAny: what `lazy` itself takes.
export const lazyPart = <Part extends ComponentType<any>>(load: () => Promise<Part>): LazyExoticComponent<Part> =>
  lazy(async () => {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return { default: await load() };
      } catch {
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  });
