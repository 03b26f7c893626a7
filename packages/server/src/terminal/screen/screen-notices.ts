/** What clients are told of a screen that is not all it could be: docs/reference/terminal-protocol.md. */

import type { AttachedClient } from "../clients/attached-client.ts";
import { serverFrames } from "../clients/frames.ts";

const CUT_SCREEN = serverFrames.notice(
  "screen-cut",
  "Output from before was not there any more, so the screen begins in its middle.",
);

export const EMPTY_SCREEN = serverFrames.notice(
  "screen-empty",
  "The server can't follow this terminal's output: clients that connect from now on begin with an empty screen.",
);

export class ScreenNotices {
  #isCutUntold = false;

  /** After a restart of the server no client is there yet. */
  cut(clients: ReadonlySet<Pick<AttachedClient, "tell">>): void {
    this.#isCutUntold = clients.size === 0;
    for (const client of clients) client.tell(CUT_SCREEN);
  }

  emptied(clients: ReadonlySet<Pick<AttachedClient, "tell">>): void {
    for (const client of clients) client.tell(EMPTY_SCREEN);
  }

  /** For the first who is shown a screen that was cut while nobody was there; else null. */
  takeUntold(): Buffer | null {
    const notice = this.#isCutUntold ? CUT_SCREEN : null;
    this.#isCutUntold = false;
    return notice;
  }
}
