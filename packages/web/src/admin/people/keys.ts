/** What is asked for again after a change. */
export const ACCOUNTS_KEY = ["people", "accounts"];
export const INVITATIONS_KEY = ["people", "invitations"];
