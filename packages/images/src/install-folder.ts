import { rename, rm } from "node:fs/promises";

/** Others that make the same at the same time are few. */
const MOST_TRIES = 5;

/**
 * Gives a folder that was made aside the name under which it is looked for. One that another process has put there meanwhile stays if it
 * is whole, because it may be in use already; `staged` is then the caller's to remove.
 */
export async function installFolder(staged: string, target: string, isWhole: () => Promise<boolean>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await rename(staged, target);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if ((code !== "ENOTEMPTY" && code !== "EEXIST") || tries >= MOST_TRIES) throw error;
      if (await isWhole()) return;
      await rm(target, { recursive: true, force: true });
    }
  }
}
