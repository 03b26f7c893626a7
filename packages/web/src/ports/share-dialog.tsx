import { Dialog } from "@base-ui/react/dialog";
import type { PreviewLink } from "@microterm/protocol";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useState } from "react";
import { client } from "../api/queries.ts";
import { Button, buttonClass } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { focusAfterClose } from "../parts/focus.ts";
import { CopyButton } from "./copy-button.tsx";

const LIFE = [
  [3600, "1 hour"],
  [86_400, "1 day"],
  [604_800, "7 days"],
  [2_592_000, "30 days"],
] as const;

const untilWords = (expiresAt: string): string =>
  new Date(expiresAt).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

const Links = ({ links, onEnd }: { readonly links: readonly PreviewLink[]; readonly onEnd: (id: string) => void }) => (
  <section className="border-t border-border pt-3">
    <h3 className="text-muted">Links to this environment</h3>
    <ul className="mt-1 max-h-48 overflow-y-auto">
      {links.map(({ id, port, expiresAt }) => (
        <li key={id} className="flex h-9 items-center gap-3">
          <span className="font-mono">{port}</span>
          <span className="truncate text-muted">until {untilWords(expiresAt)}</span>
          <Button
            look="quiet"
            needsServer
            className="ml-auto"
            aria-label={`End it: the link to port ${port} that lasts until ${untilWords(expiresAt)}`}
            onClick={() => onEnd(id)}
          >
            End it
          </Button>
        </li>
      ))}
    </ul>
  </section>
);

const Sharing = ({ environment, port }: { readonly environment: string; readonly port: number }) => {
  const cache = useQueryClient();
  const queryKey = ["preview-links", environment];
  const links = useQuery({ queryKey, queryFn: () => client.previews.links(environment), staleTime: 0 });
  const refresh = (): Promise<void> => cache.invalidateQueries({ queryKey });
  const [ttlSeconds, setTtl] = useState(86_400);
  const share = useMutation({
    mutationFn: () => client.previews.share(environment, { port, ttlSeconds }),
    onSettled: refresh,
  });
  const end = useMutation({ mutationFn: (id: string) => client.previews.revoke(environment, id), onSettled: refresh });
  const failed = [share, end, links].find(({ isError }) => isError);
  return (
    <div className="grid gap-3 p-4">
      <Dialog.Description className="text-muted">
        Who has the link sees what port {port} serves and can use it, without a sign-in, until the link ends.
      </Dialog.Description>
      <div className="flex items-end gap-2">
        <label className="grid flex-1 gap-1">
          <span className="text-muted">Ends after</span>
          <select
            value={ttlSeconds}
            onChange={({ currentTarget }) => setTtl(Number(currentTarget.value))}
            className="h-8 rounded-md border border-border bg-bg px-2"
          >
            {LIFE.map(([seconds, words]) => (
              <option key={seconds} value={seconds}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <Button look="primary" needsServer busy={share.isPending ? "Making it…" : null} onClick={() => share.mutate()}>
          Make a link
        </Button>
      </div>
      {share.data && (
        <div>
          <p role="status" className="text-muted">
            This is shown once:
          </p>
          <div className="mt-1 flex items-center gap-1">
            <input
              readOnly
              aria-label="The link"
              value={share.data.url}
              onFocus={({ currentTarget }) => currentTarget.select()}
              className="h-8 min-w-0 flex-1 rounded-md border border-border bg-bg px-2 font-mono text-xs"
            />
            <CopyButton text={share.data.url} label="Copy the link" />
          </div>
        </div>
      )}
      {failed && <FailureNote error={failed.error} />}
      {links.data && links.data.length > 0 && <Links links={links.data} onEnd={(id) => end.mutate(id)} />}
    </div>
  );
};

/** Makes and ends links by which others see what a port serves. */
export const ShareDialog = ({
  environment,
  port,
  onClose,
}: {
  readonly environment: string;
  /** Null: closed. */
  readonly port: number | null;
  readonly onClose: () => void;
}) => (
  <Dialog.Root open={port !== null} onOpenChange={(open) => !open && onClose()}>
    <Dialog.Portal>
      <Dialog.Backdrop className="fade fixed inset-0 bg-scrim" />
      <Dialog.Popup
        finalFocus={focusAfterClose}
        className="fade fixed top-[16vh] left-1/2 w-[min(520px,calc(100vw-24px))] -translate-x-1/2 rounded-md border border-border bg-surface shadow-overlay"
      >
        <div className="flex h-11 items-center gap-3 border-b border-border pr-1.5 pl-4">
          <Dialog.Title className="truncate font-semibold">Share port {port}</Dialog.Title>
          <Dialog.Close aria-label="Close" className={`ml-auto ${buttonClass("quiet", true)}`}>
            <X aria-hidden className="size-4" />
          </Dialog.Close>
        </div>
        {port !== null && <Sharing environment={environment} port={port} />}
      </Dialog.Popup>
    </Dialog.Portal>
  </Dialog.Root>
);
