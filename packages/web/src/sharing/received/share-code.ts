/** The code of a shared link: in the fragment of the address, or kept in this tab while somebody signs in. */
const NAME = "microterm.share-code";

const waiting = (): string => {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
};

/** Of this address; the one that is kept where it has none; empty: there is none. */
export const shareCodeOf = (fragment: string): string => fragment || waiting();

/** For the way over the sign-in page, which must not send a code to the server in its own address. Null forgets it. */
export const keepShareCode = (code: string | null): void => {
  try {
    if (code === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, code);
  } catch {
    // Without storage the link is opened again after the sign-in.
  }
};
