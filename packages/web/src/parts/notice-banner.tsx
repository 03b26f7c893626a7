import type { Environment, Notice } from "@microterm/protocol";
import { useMutation } from "@tanstack/react-query";
import { BellRing, X } from "lucide-react";
import { useState } from "react";
import { client } from "../api/queries.ts";
import { Button } from "./button.tsx";
import { FailureNote } from "./failure.tsx";
import { useNow } from "./use-now.ts";
import { elapsedWords, noticeWords } from "./words.ts";

const Countdown = ({ at }: { readonly at: string }) => {
  const now = useNow(1000);
  return <span className="text-muted tabular-nums"> In {elapsedWords(Date.parse(at) - now)}.</span>;
};

/** What a click adds to its life, from now on. */
const LONGER_S = 3600;

export interface NoticeBannerProps {
  readonly environment: Environment;
  readonly notice: Notice;
}

/** What is about to happen to an environment, and how to prevent it where that is possible. Over the page: a terminal must not change its size for it. */
export const NoticeBanner = ({ environment, notice }: NoticeBannerProps) => {
  const [dismissed, setDismissed] = useState<string | null>(null);
  // A program that ran is a use like any other, and unlike a key it disturbs nothing on the screen.
  const keep = useMutation({ mutationFn: () => client.run(environment.id, { command: ["true"] }) });
  const prolong = useMutation({
    mutationFn: () => client.environments.update(environment.id, { ttlSeconds: LONGER_S }),
  });
  const failed = [keep, prolong].find(({ isError }) => isError);
  const key = JSON.stringify(notice);
  if (dismissed === key) return null;
  return (
    <div
      role="alert"
      className="absolute top-12 left-1/2 z-10 flex w-max max-w-[calc(100%-24px)] -translate-x-1/2 flex-wrap items-center gap-x-3 gap-y-1 rounded-md border border-warn/60 bg-raised py-1.5 pr-1.5 pl-3 shadow-overlay"
    >
      <BellRing aria-hidden className="size-4 shrink-0 text-warn" />
      <p className="min-w-0 flex-1">
        {noticeWords(environment.name, notice)}
        {notice.code !== "pause-failed" && <Countdown at={notice.at} />}
      </p>
      {notice.code === "idle" && (
        <Button look="primary" busy={keep.isPending ? "Keeping…" : null} onClick={() => keep.mutate()}>
          Keep running
        </Button>
      )}
      {notice.code === "expiry" && (
        <Button look="primary" busy={prolong.isPending ? "Keeping…" : null} onClick={() => prolong.mutate()}>
          Keep for another hour
        </Button>
      )}
      <Button look="quiet" isSquare aria-label="Dismiss" onClick={() => setDismissed(key)}>
        <X aria-hidden className="size-4" />
      </Button>
      {failed && <FailureNote error={failed.error} className="w-full" />}
    </div>
  );
};
