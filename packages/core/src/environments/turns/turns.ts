/** One change at a time of what has an id. */
export class Turns<Id extends string> {
  readonly #last = new Map<Id, Promise<void>>();

  /** Runs `change` after all that were asked for before it, whatever became of them. */
  run<T>(id: Id, change: () => Promise<T>): Promise<T> {
    const own = (this.#last.get(id) ?? Promise.resolve()).then(change);
    const ended: Promise<void> = own
      .then(
        () => {},
        () => {},
      )
      .finally(() => {
        if (this.#last.get(id) === ended) this.#last.delete(id);
      });
    this.#last.set(id, ended);
    return own;
  }
}
