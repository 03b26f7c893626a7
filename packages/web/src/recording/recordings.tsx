/** Recording a terminal, and playing what was recorded of it. */
import { Menu } from "@base-ui/react/menu";
import type { Recording } from "@microterm/protocol";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Circle, Download, Film, Play, Trash2 } from "lucide-react";
import { useState } from "react";
import { client, failureOf } from "../api/queries.ts";
import { buttonClass } from "../parts/button.tsx";
import { bytesWords } from "../parts/words.ts";
import { PlayerDialog } from "./player-dialog.tsx";

/** What is being recorded grows, and another window may begin or end it. */
const WHILE_ON_MS = 3000;
const ELSE_MS = 15_000;

export interface RecordingToolsProps {
  readonly environment: string;
  readonly terminal: string;
  /** Its name, for the player's title. */
  readonly name: string;
}

const useRecording = ({ environment, terminal }: RecordingToolsProps) => {
  const cache = useQueryClient();
  const key = ["recording", environment, terminal];
  const query = useQuery({
    queryKey: key,
    queryFn: () => client.recordings.get(environment, terminal),
    refetchInterval: ({ state }) => (state.data?.enabled ? WHILE_ON_MS : ELSE_MS),
    staleTime: 0,
  });
  const put = (recording: Recording): void => {
    cache.setQueryData(key, recording);
  };
  const set = useMutation({
    mutationFn: (isOn: boolean) => client.recordings.set(environment, terminal, isOn),
    onSuccess: put,
  });
  const remove = useMutation({
    mutationFn: () => client.recordings.remove(environment, terminal),
    onSettled: () => cache.invalidateQueries({ queryKey: key }),
  });
  return { recording: query.data ?? null, set, remove };
};

const sinceWords = (startedAt: string | null): string =>
  startedAt === null ? "" : `, since ${new Date(startedAt).toLocaleTimeString(undefined, { timeStyle: "short" })}`;

const ITEM = "flex h-8 items-center gap-2 rounded-md px-2 outline-none data-highlighted:bg-raised";

interface RecordedProps {
  readonly recording: Recording;
  readonly onPlay: () => void;
  /** Where the server has the file, which it names. */
  readonly address: string;
  readonly onDelete: () => void;
}

/** What can be done with what is there. */
const RecordedMenu = ({ recording, address, onPlay, onDelete }: RecordedProps) => (
  <Menu.Root>
    <Menu.Trigger aria-label="What was recorded" title="What was recorded" className={buttonClass("quiet", true)}>
      <Film aria-hidden className="size-4" />
    </Menu.Trigger>
    <Menu.Portal>
      <Menu.Positioner sideOffset={6} align="end" collisionPadding={8} className="z-20">
        <Menu.Popup className="fade min-w-56 rounded-md border border-border bg-surface p-1 shadow-overlay">
          <p className="px-2 py-1 text-xs text-muted">
            {bytesWords(recording.bytes)} recorded{sinceWords(recording.startedAt)}
            {recording.isFull && <span className="block text-warn">Full: it goes no further.</span>}
          </p>
          <Menu.Item className={ITEM} onClick={onPlay}>
            <Play aria-hidden className="size-4" />
            Play
          </Menu.Item>
          <Menu.LinkItem className={ITEM} href={address} download closeOnClick>
            <Download aria-hidden className="size-4" />
            Download
          </Menu.LinkItem>
          <Menu.Item className={`${ITEM} text-danger`} onClick={onDelete}>
            <Trash2 aria-hidden className="size-4" />
            Delete
          </Menu.Item>
        </Menu.Popup>
      </Menu.Positioner>
    </Menu.Portal>
  </Menu.Root>
);

/** In the tab bar: of the terminal that is looked at. */
export const RecordingTools = (props: RecordingToolsProps) => {
  const { environment, terminal, name } = props;
  const { recording, set, remove } = useRecording(props);
  const [isPlaying, setPlaying] = useState(false);
  const load = (): Promise<Response> => client.recordings.download(environment, terminal);
  const failed = [set, remove].find(({ isError }) => isError);
  const isOn = recording?.enabled === true;
  if (recording === null) return null;
  return (
    <>
      {failed && (
        <span role="alert" className="max-w-64 truncate text-danger" title={failureOf(failed.error).hint}>
          {failureOf(failed.error).message}
        </span>
      )}
      {recording.startedAt !== null && (
        <RecordedMenu
          recording={recording}
          onPlay={() => setPlaying(true)}
          address={`/v1/environments/${environment}/terminals/${terminal}/recording/content`}
          onDelete={() => remove.mutate()}
        />
      )}
      {/* Red while it is on, so that nobody types a secret into a recording unknowingly. */}
      <button
        type="button"
        aria-pressed={isOn}
        aria-label="Record this terminal"
        title={isOn ? "Recording: press to end it" : "Record this terminal"}
        onClick={() => set.mutate(!isOn)}
        className={`inline-flex h-8 items-center gap-1.5 rounded-md px-2 whitespace-nowrap ${isOn ? "bg-danger/14 font-medium text-danger" : "text-muted hover:bg-raised hover:text-text"}`}
      >
        <Circle aria-hidden className={`size-3.5 ${isOn ? "pulse-dot fill-danger" : ""}`} />
        <span className="max-sm:sr-only">{isOn ? "Recording" : "Record"}</span>
      </button>
      <PlayerDialog recording={isPlaying ? { name, load } : null} onClose={() => setPlaying(false)} />
    </>
  );
};
