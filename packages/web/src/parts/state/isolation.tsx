import { Popover } from "@base-ui/react/popover";
import type { Environment } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { ShieldAlert, ShieldCheck } from "lucide-react";
import { hostQuery } from "../../api/queries.ts";
import { focusAfterClose } from "../focus.ts";
import { isolationWords } from "../words.ts";

/** How far an environment is kept apart from the host, with the reason behind "Why?". */
export const IsolationLabel = ({ isolation }: Pick<Environment, "isolation">) => {
  const words = isolationWords(isolation);
  const host = useQuery(hostQuery);
  const Icon = words.isWarning ? ShieldAlert : ShieldCheck;
  return (
    <span className={`inline-flex shrink-0 items-center gap-1 ${words.isWarning ? "text-warn" : ""}`}>
      <Icon aria-hidden className="size-3.5 shrink-0" />
      <span className="max-md:sr-only">{words.label}</span>
      <span aria-hidden className="md:hidden">
        {words.short}
      </span>
      <Popover.Root>
        <Popover.Trigger className="underline underline-offset-2 decoration-dotted hover:decoration-solid">
          Why?
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Positioner sideOffset={8} side="top" collisionPadding={8}>
            <Popover.Popup
              finalFocus={focusAfterClose}
              className="fade w-96 max-w-[calc(100vw-16px)] rounded-md border border-border bg-surface p-4 text-text shadow-overlay"
            >
              <Popover.Title className="font-semibold">{words.short}</Popover.Title>
              <Popover.Description className="mt-1 text-muted">{words.explanation}</Popover.Description>
              {host.data && host.data.acceleratorReason !== "" && (
                <p className="mt-2 border-t border-border pt-2 text-muted">
                  <span className="text-text">On this host: </span>
                  {host.data.acceleratorReason}
                </p>
              )}
              {host.data?.driverReason != null && (
                <p className="mt-2 text-muted">
                  <span className="text-text">New environments run on {host.data.driver}: </span>
                  {host.data.driverReason}
                </p>
              )}
            </Popover.Popup>
          </Popover.Positioner>
        </Popover.Portal>
      </Popover.Root>
    </span>
  );
};
