import type { EnvironmentId, Usage } from "@microterm/protocol";
import { useEffect, useRef, useState } from "react";
import { client } from "../api/queries.ts";
import { FailureNote } from "../parts/failure.tsx";
import { Plot } from "./plot.tsx";
import { gaugesOf, gaugeWords, type Look, type Sample, sampleOf } from "./samples.ts";

const EVERY_MS = 1000;
/** Two minutes. */
const MOST_SAMPLES = 120;

interface Followed {
  readonly limits: Usage["limits"] | null;
  readonly samples: readonly Sample[];
  readonly error: unknown;
}

/** Asks again and again for as long as it is shown; not while the window is hidden. */
function useUsage(id: EnvironmentId): Followed {
  const [followed, setFollowed] = useState<Followed>({ limits: null, samples: [], error: null });
  const before = useRef<Look | undefined>(undefined);
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      try {
        if (!document.hidden) {
          const now: Look = { usage: await client.environments.metrics(id), at: performance.now() };
          const sample = sampleOf(before.current, now);
          before.current = now;
          const { limits } = now.usage;
          if (!isOver)
            setFollowed(({ samples }) => ({
              limits,
              samples: [...samples, sample].slice(-MOST_SAMPLES),
              error: null,
            }));
        }
      } catch (error) {
        if (!isOver) setFollowed((last) => ({ ...last, error }));
      }
      if (!isOver) timer = setTimeout(() => void look(), EVERY_MS);
    };
    void look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [id]);
  return followed;
}

const Rates = ({ machine }: Pick<Usage["limits"], "machine">) =>
  machine === null ? (
    <p className="mt-3 text-muted">Nothing limits it here: its programs are processes of the host.</p>
  ) : (
    <p className="mt-3 text-muted">
      The disk is read and written at up to {machine.diskMibPerSecond} MiB and{" "}
      {machine.diskOperationsPerSecond.toLocaleString("en")} operations a second.
    </p>
  );

export const UsagePanel = ({ id }: { readonly id: EnvironmentId }) => {
  const { limits, samples, error } = useUsage(id);
  return (
    <div data-usage>
      {error !== null && <FailureNote error={error} className="mt-2" />}
      {limits === null && error === null && <p className="late mt-1 text-muted">Asking the environment…</p>}
      {limits !== null && (
        <>
          {gaugesOf(limits).map((gauge) => (
            <div key={gauge.name} className="mt-3">
              <p className="flex justify-between">
                <span>{gauge.name}</span>
                <span className="text-muted">{gaugeWords(gauge, samples)}</span>
              </p>
              <Plot gauge={gauge} samples={samples} />
            </div>
          ))}
          <Rates machine={limits.machine} />
        </>
      )}
    </div>
  );
};
