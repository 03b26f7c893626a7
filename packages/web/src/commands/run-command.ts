/** What the palette runs; loaded with it. */
import { handlers, type Place, sources } from "./commands.ts";
import type { CommandId } from "./table.ts";

export const places = (): readonly Place[] => [...sources].flatMap((source) => source());

/** The button that does a command, where there is one that can be pressed. */
const buttonOf = (id: CommandId): HTMLElement | null =>
  [...document.querySelectorAll<HTMLElement>(`[data-command="${id}"]`)].find(
    (one) =>
      one.closest("[inert]") === null && !one.matches(":disabled, [aria-disabled=true]") && one.checkVisibility(),
  ) ?? null;

export const canRun = (id: CommandId): boolean => handlers.has(id) || buttonOf(id) !== null;

export const runCommand = (id: CommandId): void => {
  const handler = handlers.get(id);
  if (handler) handler();
  else buttonOf(id)?.click();
};
