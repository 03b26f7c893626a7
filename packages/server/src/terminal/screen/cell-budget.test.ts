import fc from "fast-check";
import { expect, it } from "vitest";
import { CellBudget } from "./cell-budget.ts";

it("keeps all models together below the bound, but for the one in use, and evicts those first that were used longest ago", () => {
  const use = fc.record({ key: fc.nat(9), cells: fc.nat(60) });
  fc.assert(
    fc.property(fc.array(use, { maxLength: 60 }), (uses) => {
      const budget = new CellBudget<number>(100);
      const held = new Map<number, number>();
      for (const { key, cells } of uses) {
        held.delete(key);
        if (cells > 0) held.set(key, cells);
        const evicted = budget.used(key, cells);
        const others = [...held.keys()].filter((other) => other !== key);
        expect(evicted).toEqual(others.slice(0, evicted.length));
        for (const other of evicted) {
          held.delete(other);
          budget.used(other, 0);
        }
        const rest = [...held].filter(([other]) => other !== key).reduce((sum, [, some]) => sum + some, 0);
        if (rest > 0) expect(rest + cells).toBeLessThanOrEqual(100);
      }
    }),
  );
});
