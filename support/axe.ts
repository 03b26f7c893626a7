import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

/** For `addInitScript` of a context whose pages are looked at. */
export const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Resolves when all running animations have finished, as colours are final then. Paused and endless ones are not waited for. */
const SETTLED = `Promise.race([
  new Promise((resolve) => setTimeout(resolve, 3000)),
  Promise.all(document.getAnimations()
    .filter(({ effect, playState }) => playState === "running" && effect.getComputedTiming().endTime < Infinity)
    .map(({ finished }) => finished.catch(() => undefined))),
])`;

/** `rule (impact): selector, and what to do`, for each element at fault. */
export const faults = (page: Page): Promise<string[]> =>
  page.evaluate<
    string[]
  >(`${SETTLED}.then(() => axe.run()).then(({ violations }) => violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ target, failureSummary }) => id + " (" + impact + "): " + target.join(" ") + " " + failureSummary.split("\\n").slice(1, 3).join(" "))))`);
