/** `work`, whose exceptions go to `broke` instead of up: a timer, a promise or a socket calls it, and above them there is only the process. */
export const contained =
  <A extends unknown[]>(broke: (error: unknown) => void, work: (...args: A) => void): ((...args: A) => void) =>
  (...args) => {
    try {
      work(...args);
    } catch (error) {
      broke(error);
    }
  };

/** The same for each of an object's handlers. */
export function containedAll<T extends object>(broke: (error: unknown) => void, handlers: T): T {
  const entries = Object.entries(handlers).map(([name, handler]) => [name, contained(broke, handler)]);
  return Object.fromEntries(entries) as T;
}
