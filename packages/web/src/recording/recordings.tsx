/** Recording a terminal, and playing what was recorded of it. */
import type { Recording } from "@microterm/protocol";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Circle } from "lucide-react";
import { Suspense } from "react";
import { useIsConnected } from "../api/live-events.ts";
import { client, failureOf } from "../api/queries.ts";
import { lazyPart } from "../parts/lazy-part.ts";
import { saveAnswer } from "../parts/save-answer.ts";

/** Most terminals are never recorded. */
const RecordedMenu = lazyPart(async () => (await import("./recorded-menu.tsx")).RecordedMenu);

/** What is being recorded grows, and another window may start or end it. */
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
  const download = useMutation({
    mutationFn: async () => saveAnswer(await client.recordings.download(environment, terminal), `${terminal}.cast`),
  });
  return { recording: query.data ?? null, set, remove, download };
};

/** In the tab bar: of the terminal that is looked at. */
export const RecordingTools = (props: RecordingToolsProps) => {
  const { environment, terminal, name } = props;
  const { recording, set, remove, download } = useRecording(props);
  const load = (): Promise<Response> => client.recordings.download(environment, terminal);
  const failed = [set, remove, download].find(({ isError }) => isError);
  const isConnected = useIsConnected();
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
        <Suspense fallback={null}>
          <RecordedMenu
            recording={recording}
            name={name}
            load={load}
            onDownload={() => download.mutate()}
            onDelete={() => remove.mutate()}
          />
        </Suspense>
      )}
      {/* Red while it is on, so that no secret is typed into a recording unknowingly. */}
      <button
        type="button"
        data-command="terminal.record"
        aria-pressed={isOn}
        disabled={!isConnected}
        // A name has to have what is seen in it.
        aria-label={isOn ? "Recording: record this terminal" : "Record this terminal"}
        title={isOn ? "Recording: press to end it" : "Record this terminal"}
        onClick={() => set.mutate(!isOn)}
        className={`inline-flex h-8 items-center gap-1.5 rounded-md px-2 whitespace-nowrap disabled:opacity-55 ${isOn ? "bg-danger/14 font-medium text-danger" : "text-muted hover:bg-raised hover:text-text"}`}
      >
        <Circle aria-hidden className={`size-3.5 ${isOn ? "pulse-dot fill-danger" : ""}`} />
        <span className="max-sm:sr-only">{isOn ? "Recording" : "Record"}</span>
      </button>
    </>
  );
};
