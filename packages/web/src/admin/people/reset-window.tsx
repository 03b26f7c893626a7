import { useMutation } from "@tanstack/react-query";
import { administration } from "../../api/administration.ts";
import { momentWords } from "../../parts/account/people-words.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { ShownOnce } from "../../parts/form/shown-once.tsx";
import { useLatest } from "../../parts/form/use-latest.ts";
import { Window } from "../../parts/form/window.tsx";
import { Plain } from "../../parts/plain.tsx";
import type { AccountQuestionProps } from "./disable-question.tsx";

/** Makes a link by which somebody sets a new password. */
export const ResetWindow = ({ account, onClose }: AccountQuestionProps) => {
  const shown = useLatest(account);
  const make = useMutation({ mutationFn: (id: string) => administration.accounts.createReset(id) });
  const close = (): void => {
    make.reset();
    onClose();
  };
  return (
    <Window
      title={
        <>
          New password for <Plain text={shown?.name ?? ""} />
        </>
      }
      isOpen={account !== null}
      onClose={close}
    >
      <div className="grid gap-4">
        {make.data ? (
          <ShownOnce
            label="Link for a new password"
            text={`${location.origin}/reset#${make.data.code}`}
            words={`It works once, until ${momentWords(make.data.expiresAt)}. Send it to nobody else.`}
          />
        ) : (
          <p className="text-muted">
            This makes a link by which a new password is set once. The password there is goes on until then; after it,
            all other sessions end.
          </p>
        )}
        {make.isError && <FailureNote error={make.error} />}
        {make.data ? (
          <Button look="primary" className="justify-self-end" onClick={close}>
            Done
          </Button>
        ) : (
          <Button
            look="primary"
            className="justify-self-end"
            needsServer
            busy={make.isPending ? "Making it…" : null}
            onClick={() => shown && make.mutate(shown.id)}
          >
            Make a link
          </Button>
        )}
      </div>
    </Window>
  );
};
