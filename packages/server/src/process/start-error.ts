/** A start that fails for a reason a person can fix; the message is for them. */
export class StartError extends Error {
  override readonly name = "StartError";
}
