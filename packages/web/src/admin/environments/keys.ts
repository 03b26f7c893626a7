/** What is asked for again after a change. */
export const ENVIRONMENTS_KEY = ["admin", "environments"];
