/** Cancels the call; the callee still releases what it had taken. */
export interface Abortable {
  readonly signal?: AbortSignal;
}
