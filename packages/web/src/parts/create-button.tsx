import { Popover } from "@base-ui/react/popover";
import type { CreateEnvironment } from "@microterm/protocol";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { ChevronDown, Plus } from "lucide-react";
import { useRef } from "react";
import { useIsConnected } from "../api/live-events.ts";
import { client, environmentsQuery, liveList } from "../api/queries.ts";
import { preloadTerminal } from "../terminal/preload.ts";
import { Button, buttonClass } from "./button.tsx";
import { CreateForm } from "./create-form.tsx";
import { FailureNote } from "./failure.tsx";

/** Creates and goes there at once; the page of the environment shows how it starts. */
const useCreate = () => {
  const cache = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: (wish: CreateEnvironment) => client.environments.create(wish, { idempotencyKey: crypto.randomUUID() }),
    onMutate: preloadTerminal,
    onSuccess: (made) => {
      cache.setQueryData(environmentsQuery.queryKey, (list) => liveList.created(list ?? [], made));
      void navigate({ to: "/e/$id", params: { id: made.id } });
    },
  });
};

/** One click for the usual size, and a menu for everything else. */
export const CreateButton = () => {
  const create = useCreate();
  const isFromOptions = useRef(false);
  const isConnected = useIsConnected();
  const busy = create.isPending ? "Creating…" : null;
  const make = (wish: CreateEnvironment, withOptions: boolean): void => {
    isFromOptions.current = withOptions;
    create.mutate(wish);
  };
  return (
    <div className="relative flex items-center">
      <Button
        look="primary"
        command="environment.create"
        needsServer
        busy={busy}
        onClick={() => make({}, false)}
        onPointerEnter={preloadTerminal}
        className="rounded-r-none"
      >
        <Plus aria-hidden className="size-4" />
        New environment
      </Button>
      <Popover.Root>
        <Popover.Trigger
          disabled={!isConnected}
          data-command="environment.create-options"
          className={`${buttonClass("primary", true)} w-7 rounded-l-none border-l-on-accent/35`}
          aria-label="Options for a new environment"
          title="Size, name, time-outs and network"
        >
          <ChevronDown aria-hidden className="size-4" />
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Positioner
            sideOffset={6}
            align="end"
            collisionPadding={8}
            collisionAvoidance={{ side: "none", align: "shift" }}
            className="z-20"
          >
            <Popover.Popup className="fade max-h-(--available-height) w-88 max-w-[calc(100vw-16px)] overflow-auto rounded-md border border-border bg-surface p-4 shadow-overlay">
              <Popover.Title className="font-semibold">New environment</Popover.Title>
              <CreateForm
                busy={busy}
                error={create.isError && isFromOptions.current ? create.error : null}
                onCreate={(wish) => make(wish, true)}
              />
            </Popover.Popup>
          </Popover.Positioner>
        </Popover.Portal>
      </Popover.Root>
      {create.isError && !isFromOptions.current && (
        <FailureNote
          error={create.error}
          className="absolute top-full right-0 z-10 mt-2 w-96 max-w-[calc(100vw-24px)] bg-surface shadow-overlay"
        />
      )}
    </div>
  );
};
