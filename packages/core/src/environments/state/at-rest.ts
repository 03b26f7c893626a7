/** What a row is when nothing is being done to it, whichever state that leaves it in. */
export const AT_REST = { operation: null, step: null, interruptions: 0 } as const;
