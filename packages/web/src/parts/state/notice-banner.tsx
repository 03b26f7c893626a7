import type { Environment, Notice } from "@microterm/protocol";
import { useMutation } from "@tanstack/react-query";
import { BellRing, X } from "lucide-react";
import { useState } from "react";
import { client, failureOf } from "../../api/queries.ts";
import { Button } from "../button.tsx";
import { useNow } from "../use-now.ts";
import { elapsedWords, noticeWords } from "../words.ts";

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

/** What is about to happen to an environment, and how to prevent it where that is possible. In the header, where it hides nothing. */
export const NoticeBanner = ({ environment, notice }: NoticeBannerProps) => {
  const [dismissed, setDismissed] = useState<string | null>(null);
  // A program that ran is a use like any other, and unlike a key it disturbs nothing on the screen.
  const keep = useMutation({ mutationFn: () => client.run(environment.id, { command: ["true"] }) });
  const prolong = useMutation({
    mutationFn: () => client.environments.update(environment.id, { ttlSeconds: LONGER_S }),
  });
  const failed = [keep, prolong].find(({ isError }) => isError);
  const key = JSON.stringify(notice);
  const words = noticeWords(environment.name, notice);
  if (dismissed === key) return null;
  return (
    <div
      role="alert"
      className="flex min-w-0 items-center gap-x-3 rounded-md border border-warn/60 bg-raised pl-3 max-lg:mb-1.5 max-lg:w-full"
    >
      <BellRing aria-hidden className="size-4 shrink-0 text-warn" />
      <p className="min-w-0 flex-1 lg:truncate" title={words}>
        {words}
        {notice.code !== "pause-failed" && <Countdown at={notice.at} />}
      </p>
      {notice.code === "idle" && (
        <Button look="primary" needsServer busy={keep.isPending ? "Keeping…" : null} onClick={() => keep.mutate()}>
          Keep running
        </Button>
      )}
      {notice.code === "expiry" && (
        <Button
          look="primary"
          needsServer
          busy={prolong.isPending ? "Keeping…" : null}
          onClick={() => prolong.mutate()}
        >
          Keep for another hour
        </Button>
      )}
      <Button look="quiet" isSquare aria-label="Dismiss" onClick={() => setDismissed(key)}>
        <X aria-hidden className="size-4" />
      </Button>
      {failed && (
        <span className="max-w-48 truncate text-danger" title={failureOf(failed.error).message}>
          {failureOf(failed.error).message}
        </span>
      )}
    </div>
  );
};
