import { Popover } from "@base-ui/react/popover";
import { type CreateEnvironment, LIMITS } from "@microterm/protocol";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Plus, SlidersHorizontal } from "lucide-react";
import { type FormEvent, useRef } from "react";
import { client, environmentsQuery, liveList } from "../api/queries.ts";
import { preloadTerminal } from "../terminal/preload.ts";
import { Button, buttonClass } from "./button.tsx";
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

const FIELD = "h-8 w-full rounded-md border border-border bg-bg px-2 invalid:border-danger";
const SIZES = [
  { key: "memoryMib", label: "Memory, MiB" },
  { key: "cpus", label: "CPUs" },
  { key: "diskMib", label: "Disk, MiB" },
] as const;

const wishOf = (form: HTMLFormElement): CreateEnvironment => {
  const data = new FormData(form);
  const text = (key: string): string => String(data.get(key) ?? "").trim();
  const wish: Record<string, string | number> = {};
  if (text("name") !== "") wish.name = text("name");
  for (const { key } of SIZES) if (text(key) !== "") wish[key] = Number(text(key));
  return wish as CreateEnvironment;
};

export const CreateButton = () => {
  const create = useCreate();
  const isFromOptions = useRef(false);
  const busy = create.isPending ? "Creating…" : null;
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    isFromOptions.current = true;
    create.mutate(wishOf(event.currentTarget));
  };
  const now = (): void => {
    isFromOptions.current = false;
    create.mutate({});
  };
  return (
    <div className="relative flex items-center gap-1">
      <Button look="primary" busy={busy} onClick={now} onPointerEnter={preloadTerminal}>
        <Plus aria-hidden className="size-4" />
        New environment
      </Button>
      <Popover.Root>
        <Popover.Trigger
          className={buttonClass("plain", true)}
          aria-label="Options for a new environment"
          title="Options"
        >
          <SlidersHorizontal aria-hidden className="size-4" />
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Positioner sideOffset={6} align="end">
            <Popover.Popup className="fade w-80 rounded-md border border-border bg-surface p-4 shadow-overlay">
              <Popover.Title className="font-semibold">New environment</Popover.Title>
              <form className="mt-3 grid gap-3" onSubmit={submit}>
                <label className="grid gap-1">
                  <span className="text-muted">Name</span>
                  <input
                    name="name"
                    className={FIELD}
                    maxLength={32}
                    pattern="[a-z0-9]([a-z0-9\-]{0,30}[a-z0-9])?"
                    title="Lower-case letters, digits and hyphens"
                    placeholder="chosen for you"
                    autoComplete="off"
                    spellCheck={false}
                  />
                </label>
                <div className="grid grid-cols-3 gap-2">
                  {SIZES.map(({ key, label }) => (
                    <label key={key} className="grid gap-1">
                      <span className="whitespace-nowrap text-muted">{label}</span>
                      <input
                        name={key}
                        type="number"
                        step={1}
                        min={LIMITS[key].min}
                        max={LIMITS[key].max}
                        placeholder={String(LIMITS[key].default)}
                        className={FIELD}
                      />
                    </label>
                  ))}
                </div>
                {create.isError && isFromOptions.current && <FailureNote error={create.error} />}
                <Button look="primary" type="submit" busy={busy}>
                  Create
                </Button>
              </form>
            </Popover.Popup>
          </Popover.Positioner>
        </Popover.Portal>
      </Popover.Root>
      {create.isError && !isFromOptions.current && (
        <FailureNote
          error={create.error}
          className="absolute top-full right-0 z-10 mt-2 w-96 bg-surface shadow-overlay"
        />
      )}
    </div>
  );
};
