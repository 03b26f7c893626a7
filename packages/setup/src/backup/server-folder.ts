/** What a backup leaves out of the server's folder, with what SQLite and logs put beside it: a server makes it anew. */
export const NOT_BACKED_UP = [
  "microterm.db",
  "server.lock",
  "server.json",
  "server.log",
  "token",
  "process",
  "code-cache",
] as const;

/** One of these, in a form that JavaScript and find(1) (POSIX extended) read alike; what follows it is none of its name. */
const NAMES = `(${NOT_BACKED_UP.map((name) => name.replaceAll(".", "\\.")).join("|")})`;

/** Before the path of a member of a tar: it is none of {@link NOT_BACKED_UP}. */
export const BACKED_UP = `(?!${NAMES}(?:$|[-./]))`;
/** For `find -regextype posix-extended -regex`, below `.`. */
export const NOT_BACKED_UP_PATHS = `\\./${NAMES}([-./].*)?`;
