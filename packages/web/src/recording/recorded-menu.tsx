import { Menu } from "@base-ui/react/menu";
import type { Recording } from "@microterm/protocol";
import { Download, Film, Play, Trash2 } from "lucide-react";
import { useState } from "react";
import { buttonClass } from "../parts/button.tsx";
import { focusAfterClose } from "../parts/focus.ts";
import { bytesWords } from "../parts/words.ts";
import { PlayerDialog } from "./player-dialog.tsx";

const sinceWords = (startedAt: string | null): string =>
  startedAt === null ? "" : `, since ${new Date(startedAt).toLocaleTimeString(undefined, { timeStyle: "short" })}`;

const ITEM = "flex h-8 items-center gap-2 rounded-md px-2 outline-none data-highlighted:bg-raised";

export interface RecordedMenuProps {
  readonly recording: Recording;
  /** Its terminal's name, for the player's title. */
  readonly name: string;
  readonly load: () => Promise<Response>;
  readonly onDownload: () => void;
  readonly onDelete: () => void;
}

/** What can be done with what is there. */
export const RecordedMenu = ({ recording, name, load, onDownload, onDelete }: RecordedMenuProps) => {
  const [isPlaying, setPlaying] = useState(false);
  return (
    <>
      <Menu.Root>
        <Menu.Trigger
          data-command="terminal.recorded"
          aria-label="What was recorded"
          title="What was recorded"
          className={buttonClass("quiet", true)}
        >
          <Film aria-hidden className="size-4" />
        </Menu.Trigger>
        {/* It is drawn beside the page's landmarks, and has to be in one for those who walk through them. */}
        <Menu.Portal render={<section aria-label="Recording" />}>
          <Menu.Positioner sideOffset={6} align="end" collisionPadding={8} className="z-20">
            <Menu.Popup
              finalFocus={focusAfterClose}
              className="fade min-w-56 rounded-md border border-border bg-surface p-1 shadow-overlay"
            >
              <p className="px-2 py-1 text-xs text-muted">
                {bytesWords(recording.bytes)} recorded{sinceWords(recording.startedAt)}
                {recording.isFull && <span className="block text-warn">Full: it goes no further.</span>}
              </p>
              <Menu.Item className={ITEM} onClick={() => setPlaying(true)}>
                <Play aria-hidden className="size-4" />
                Play
              </Menu.Item>
              <Menu.Item className={ITEM} onClick={onDownload}>
                <Download aria-hidden className="size-4" />
                Download
              </Menu.Item>
              <Menu.Item className={`${ITEM} text-danger`} onClick={onDelete}>
                <Trash2 aria-hidden className="size-4" />
                Delete
              </Menu.Item>
            </Menu.Popup>
          </Menu.Positioner>
        </Menu.Portal>
      </Menu.Root>
      <PlayerDialog recording={isPlaying ? { name, load } : null} onClose={() => setPlaying(false)} />
    </>
  );
};
