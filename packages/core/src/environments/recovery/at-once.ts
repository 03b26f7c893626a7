/** Runs for each item, so many at a time, and for all of them also where one fails. Rejects with the first failure then. */
export async function atOnce<T>(items: readonly T[], most: number, run: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  const failures: unknown[] = [];
  const runSome = async (): Promise<void> => {
    for (const item of left) await run(item).catch((error: unknown) => failures.push(error));
  };
  await Promise.all(Array.from({ length: most }, runSome));
  if (failures.length > 0) throw failures[0];
}
