/** The token of a sign-in link, taken out of the address and the history before anything else happens. */

const read = (): string | null => {
  if (location.pathname !== "/sign-in" || location.hash === "") return null;
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  history.replaceState(history.state, "", location.pathname + location.search);
  return token;
};
let waiting = read();

export const hasLinkToken = (): boolean => waiting !== null;

/** A link works once: forgotten before it is sent, so that nothing sends it again. */
export const takeLinkToken = (): string | null => {
  const token = waiting ?? read();
  waiting = null;
  return token;
};
