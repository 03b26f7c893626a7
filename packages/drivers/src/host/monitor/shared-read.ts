/**
 * Makes one read at a time of it. Callers that come meanwhile share the next, which sees all that was there before they
 * asked.
 */
export function sharedRead(read: () => Promise<void>): () => Promise<void> {
  let reading: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const ask = (): Promise<void> => {
    if (reading === undefined) {
      reading = read().finally(() => {
        reading = undefined;
      });
      return reading;
    }
    const after = (): Promise<void> => {
      next = undefined;
      return ask();
    };
    next ??= reading.then(after, after);
    return next;
  };
  return ask;
}
