import type { Person, Presence } from "@microterm/protocol";
import { Hand } from "lucide-react";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { PersonName } from "../person-name.tsx";
import { EDITOR_WARNING } from "../words.ts";
import { useKeyboard } from "./use-keyboard.ts";

const Asking = ({ environment, person }: { readonly environment: string; readonly person: Person }) => {
  const { give, take, failed } = useKeyboard(environment);
  return (
    <div className="grid gap-2 rounded-md border border-warn/50 bg-raised p-2 shadow-overlay">
      <div className="flex flex-wrap items-center gap-2">
        <Hand aria-hidden className="size-4 shrink-0 text-warn" />
        <p role="status" className="flex min-w-0 flex-wrap items-center gap-x-1.5" title={EDITOR_WARNING}>
          <PersonName of={person} /> asks for the keyboard.
          <span className="text-muted max-sm:hidden">Who types may do all that you may, as root too.</span>
        </p>
        <span className="ml-auto flex gap-2">
          <Button look="quiet" needsServer onClick={() => take.mutate(person)}>
            Not now
          </Button>
          <Button needsServer busy={give.isPending ? "Giving it…" : null} onClick={() => give.mutate(person)}>
            Let them type
          </Button>
        </span>
      </div>
      {failed && <FailureNote error={failed.error} />}
    </div>
  );
};

/** Over the terminal: who asks to type, one at a time. It takes no focus, so that nobody answers by what they type. */
export const AskBar = ({ environment, presence }: { readonly environment: string; readonly presence: Presence }) => {
  const person = presence.people.find(({ isAsking }) => isAsking);
  if (person === undefined) return null;
  return (
    <div className="absolute top-2 left-1/2 z-2 w-max max-w-[calc(100%-16px)] -translate-x-1/2">
      <Asking key={person.grant} environment={environment} person={person} />
    </div>
  );
};
