/** Of the query for what is shared of an environment. */
export const sharesKey = (environment: string): readonly string[] => ["shares", environment];
