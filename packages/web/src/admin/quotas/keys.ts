/** What is asked for again after a change. */
export const QUOTAS_KEY = ["quotas"];
