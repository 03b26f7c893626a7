import { ERRORS } from "@microterm/protocol";

/** docs/reference/errors.md from the one table. */
export function renderErrors(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, retryable, hint }]) => `| \`${code}\` | ${status} | ${retryable ? "yes" : "no"} | ${hint} |`,
  );
  return [
    "# Errors",
    "",
    "Generated from `packages/protocol/src/errors.ts` by `node packages/server/src/docs/render.ts`.",
    "",
    "Every refusal is an RFC 9457 problem document, `application/problem+json`: `type`, `title`, `status`, `detail` (what was wrong,",
    "with which value), `instance` (the request's id, under which the server's log has more), and microterm's `code`,",
    "`hint` (what to do) and `retryable` (whether the same request may succeed later). `details` holds more where there is",
    "more: `fields` names every bad field of a `BAD_REQUEST`. A WebSocket that is refused gets the same document.",
    "",
    "| code | status | retryable | hint |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}
