/** Slow hashes of passwords. Few are made at a time: each takes memory. */
export interface Passwords {
  /** Rejects with `TOO_MANY` when too many wait. */
  hash(password: string): Promise<string>;
  /**
   * Whether a password is the hash's; `outdated`: it is, and the hash is of parameters of before. With null it is `wrong`, in the same
   * time. `isUrgent` goes ahead of what is not. Rejects with `TOO_MANY` when too many wait.
   */
  verify(hash: string | null, password: string, isUrgent: boolean): Promise<"right" | "outdated" | "wrong">;
}
