/** Bytes that wait in sockets of one kind, together. */
export interface SendBudget {
  readonly isSpent: boolean;
  /** One socket's share has changed by so many. */
  add(bytes: number): void;
}

export function createSendBudget(limitBytes: number): SendBudget {
  let waiting = 0;
  return {
    get isSpent() {
      return waiting > limitBytes;
    },
    add(bytes) {
      waiting += bytes;
    },
  };
}
