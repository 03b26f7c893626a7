import type { EnvironmentRow } from "../ports/repository.ts";
import type { Context } from "./context.ts";
import { persist } from "./machines.ts";

/** Removes a save that no row names any more. In the background: nobody waits for it, and a recovery would find it. */
export function dropSave(context: Context, { id, saveId }: Pick<EnvironmentRow, "id" | "saveId">): void {
  const { snapshots } = context;
  if (saveId === null || snapshots === null) return;
  void context.work.begin(id, (signal) =>
    persist(context, signal, "removing saved memory", async () => {
      await snapshots.removeSave(saveId);
    }),
  );
}
