/**
 * Cells that all models have together; each takes 12 bytes outside of the worker's heap, where no limit of V8's counts them. 192 MiB: 8
 * terminals of the largest size with both their screens, or a hundred of 80 columns with a thousand rows each.
 */
const MAX_CELLS = 16 * 1024 * 1024;

/** Which models are to become bytes, so that a guest with many large terminals does not take all of the server's memory. */
export class CellBudget<K> {
  readonly #maxCells: number;
  /** The one that was used longest ago first. */
  readonly #cells = new Map<K, number>();
  #total = 0;

  constructor(maxCells = MAX_CELLS) {
    this.#maxCells = maxCells;
  }

  /** `key` was used and holds so many now. Those that have to give up theirs, the least used first; never `key` itself. */
  used(key: K, cells: number): readonly K[] {
    this.#total += cells - (this.#cells.get(key) ?? 0);
    this.#cells.delete(key);
    if (cells > 0) this.#cells.set(key, cells);
    const least: K[] = [];
    let over = this.#total - this.#maxCells;
    for (const [other, count] of this.#cells) {
      if (over <= 0) break;
      if (other === key) continue;
      least.push(other);
      over -= count;
    }
    return least;
  }
}
