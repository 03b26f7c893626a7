import { Popover } from "@base-ui/react/popover";
import type { Environment, PreviewAddresses } from "@microterm/protocol";
import { useMutation } from "@tanstack/react-query";
import { Monitor } from "lucide-react";
import { Suspense, useState } from "react";
import { usePlaces } from "../commands/commands.ts";
import { Button, buttonClass } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { focusAfterClose } from "../parts/focus.ts";
import { lazyPart } from "../parts/lazy-part.ts";
import { CopyButton } from "./copy-button.tsx";
import { openPreview, resolvesLocalhost } from "./open-preview.ts";
import { usePorts } from "./use-ports.ts";
import type { KnownPorts } from "./with-list.ts";

const ShareDialog = lazyPart(async () => (await import("./share-dialog.tsx")).ShareDialog);

const canOpen = (previews: PreviewAddresses): boolean =>
  previews.kind === "domain" || (previews.kind === "localhost" && resolvesLocalhost(navigator.userAgent));

/** Why a port cannot be opened from here. */
const obstacleWords = (previews: PreviewAddresses): string => {
  if (previews.kind === "localhost") return "This browser does not find addresses below localhost.";
  if (previews.kind === "none" && previews.obstacle === "loopback-not-ours") {
    return "Another program has this port at ::1.";
  }
  return "Previews need a domain of their own where the page is not reached at 127.0.0.1.";
};

interface RowProps {
  readonly port: number;
  readonly isOpenable: boolean;
  readonly isNew: boolean;
  readonly onOpen: () => void;
  readonly onShare: () => void;
}

const Row = ({ port, isOpenable, isNew, onOpen, onShare }: RowProps) => (
  <li className="flex h-9 items-center gap-1 rounded-md pl-2 hover:bg-raised">
    <span className="font-mono">{port}</span>
    {isNew && <span className="rounded-sm bg-accent/14 px-1 text-xs text-accent">new</span>}
    {isOpenable && (
      <>
        <Button
          look="quiet"
          needsServer
          className="ml-auto"
          aria-label={`Open port ${port} in a new tab`}
          onClick={onOpen}
        >
          Open
        </Button>
        <Button look="quiet" aria-label={`Share port ${port}`} onClick={onShare}>
          Share
        </Button>
      </>
    )}
  </li>
);

const Command = ({ text }: { readonly text: string }) => (
  <div className="flex items-center gap-1 rounded-md bg-raised pl-2">
    <code className="min-w-0 flex-1 overflow-x-auto py-1 font-mono text-xs whitespace-nowrap">{text}</code>
    <CopyButton text={text} label="Copy the command" />
  </div>
);

const Body = ({
  environment,
  known,
  onShare,
}: {
  readonly environment: Environment;
  readonly known: KnownPorts;
  readonly onShare: (port: number) => void;
}) => {
  const open = useMutation({ mutationFn: (port: number) => openPreview(environment.id, port) });
  const { list, appeared } = known;
  if (known.isUnsupported) {
    return (
      <p className="p-2 text-muted">
        This environment was started by an older version of microterm: its ports are not available until it is stopped
        and started again.
      </p>
    );
  }
  if (list === null) return <p className="p-2 text-muted">What listens in this environment is not known now.</p>;
  const isOpenable = canOpen(list.previews);
  const [example = 8000] = [...appeared, ...list.ports];
  return (
    <>
      {list.ports.length === 0 && (
        <div className="grid grid-cols-1 gap-2 p-2 text-muted">
          <p>What listens on a port appears here, for example after:</p>
          <Command text="python3 -m http.server 8000" />
        </div>
      )}
      <ul aria-label="Listening ports" className="max-h-72 overflow-y-auto p-0.5">
        {list.ports.map((port) => (
          <Row
            key={port}
            port={port}
            isOpenable={isOpenable}
            isNew={appeared.includes(port)}
            onOpen={() => open.mutate(port)}
            onShare={() => onShare(port)}
          />
        ))}
      </ul>
      {list.truncated && <p className="px-2 py-1 text-muted">There are more than are listed.</p>}
      {open.isError && <FailureNote error={open.error} className="m-1" />}
      {!isOpenable && list.ports.length > 0 && (
        <div className="grid grid-cols-1 gap-2 border-t border-border p-2 text-muted">
          <p>{obstacleWords(list.previews)} On your own machine, run:</p>
          <Command text={`./microterm port-forward ${environment.name} ${example}`} />
        </div>
      )}
    </>
  );
};

/** Beside the tabs of a running environment: the ports that its programs listen on. */
export const PortsMenu = ({ environment }: { readonly environment: Environment }) => {
  const known = usePorts(environment.id);
  const [isOpen, setOpen] = useState(false);
  const [shared, setShared] = useState<number | null>(null);
  const [wasShared, setWasShared] = useState(false);
  const count = known.list?.ports.length ?? 0;
  const [latest] = known.appeared;
  const { list } = known;
  usePlaces(() =>
    list === null || !canOpen(list.previews)
      ? []
      : list.ports.map((port) => ({
          ...{ id: `port:${port}`, name: `Open port ${port} in a new tab`, group: "Ports" },
          run: () => void openPreview(environment.id, port).catch(() => setOpen(true)),
        })),
  );
  return (
    <>
      <span role="status" className="sr-only">
        {latest !== undefined && `Port ${latest} is listening`}
      </span>
      <Popover.Root open={isOpen} onOpenChange={setOpen}>
        <Popover.Trigger data-command="environment.ports" className={buttonClass("quiet")}>
          <Monitor aria-hidden className={`size-4 ${latest === undefined ? "" : "text-accent"}`} />
          <span className="max-sm:sr-only">Ports</span>
          {count > 0 && <span className="tabular-nums">{count}</span>}
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Positioner side="bottom" align="end" sideOffset={6} collisionPadding={8} className="z-20">
            <Popover.Popup
              finalFocus={focusAfterClose}
              className="fade w-72 max-w-[calc(100vw-16px)] rounded-md border border-border bg-surface p-1 text-text shadow-overlay"
            >
              <Popover.Title className="px-2 py-1 text-xs text-muted">Listening in {environment.name}</Popover.Title>
              <Body
                environment={environment}
                known={known}
                onShare={(port) => {
                  setOpen(false);
                  setShared(port);
                  setWasShared(true);
                }}
              />
            </Popover.Popup>
          </Popover.Positioner>
        </Popover.Portal>
      </Popover.Root>
      {wasShared && (
        <Suspense>
          <ShareDialog environment={environment.id} port={shared} onClose={() => setShared(null)} />
        </Suspense>
      )}
    </>
  );
};
