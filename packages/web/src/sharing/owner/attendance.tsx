import type { Person, Presence } from "@microterm/protocol";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { PeopleMenu } from "../people-menu.tsx";
import { EDITOR_WARNING, personWords } from "../words.ts";
import { useKeyboard } from "./use-keyboard.ts";

interface ActionsProps {
  readonly person: Person;
  readonly editors: readonly Person[];
  readonly keyboard: ReturnType<typeof useKeyboard>;
}

/** An admin who looks in types never, and may not be sent away: that ends by itself. */
const Actions = ({ person, editors, keyboard }: ActionsProps) => {
  if (person.isLookIn || person.grant === null) return null;
  const whom = personWords(person);
  const others = editors.filter(({ grant }) => grant !== person.grant);
  return (
    <>
      {person.role === "editor" ? (
        <Button
          look="quiet"
          needsServer
          aria-label={`Take back: the keyboard of ${whom}`}
          onClick={() => keyboard.take.mutate(person)}
        >
          Take back
        </Button>
      ) : (
        <Button
          look="quiet"
          needsServer
          aria-label={`Let type: ${whom}`}
          title={EDITOR_WARNING}
          onClick={() => keyboard.give.mutate(person)}
        >
          Let type
        </Button>
      )}
      {person.role === "viewer" && others.length > 0 && (
        <Button
          look="quiet"
          needsServer
          aria-label={`Hand over: the keyboard to ${whom}`}
          title="Nobody else but you types then."
          onClick={() => keyboard.handOver.mutate({ from: others, to: person })}
        >
          Hand over
        </Button>
      )}
      <Button look="quiet" needsServer aria-label={`Remove ${whom}`} onClick={() => keyboard.remove.mutate(person)}>
        Remove
      </Button>
    </>
  );
};

export interface AttendanceProps {
  readonly environment: string;
  readonly presence: Presence;
}

/** Beside the tabs: who else is at the terminal that is looked at, and who may type. */
export const Attendance = ({ environment, presence }: AttendanceProps) => {
  const keyboard = useKeyboard(environment);
  const editors = presence.people.filter(({ role }) => role === "editor");
  const lookIn = presence.people.find(({ isLookIn }) => isLookIn);
  return (
    <>
      <span role="status" className="sr-only">
        {lookIn && `${personWords(lookIn)} looks into this terminal as an admin`}
      </span>
      <PeopleMenu
        presence={presence}
        self={null}
        actionsOf={(person) => <Actions person={person} editors={editors} keyboard={keyboard} />}
      >
        {keyboard.failed && <FailureNote error={keyboard.failed.error} className="m-1" />}
      </PeopleMenu>
    </>
  );
};
