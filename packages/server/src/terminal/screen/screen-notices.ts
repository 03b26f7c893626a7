/** What clients are told of a screen that is not all it could be: docs/reference/terminal-protocol.md. */
import type { AttachedClient } from "../clients/attached-client.ts";
import { serverFrames } from "../clients/frames.ts";

const CUT_SCREEN = serverFrames.notice(
  "screen-cut",
  "Output from before was not there any more, so the screen begins in its middle.",
);

export const BLANK_SCREEN = serverFrames.notice(
  "screen-empty",
  "The server can't follow this terminal's output: clients that connect from now on begin with an empty screen.",
);

type Notified = ReadonlySet<Pick<AttachedClient, "notify">>;

export class ScreenNotices {
  #isCutPending = false;

  /** After a restart of the server no client is there yet. */
  cut(clients: Notified): void {
    this.#isCutPending = clients.size === 0;
    for (const client of clients) client.notify(CUT_SCREEN);
  }

  blanked(clients: Notified): void {
    for (const client of clients) client.notify(BLANK_SCREEN);
  }

  /** For the first client that is shown a screen which was cut while none was attached; else null. */
  takePending(): Buffer | null {
    const notice = this.#isCutPending ? CUT_SCREEN : null;
    this.#isCutPending = false;
    return notice;
  }
}
