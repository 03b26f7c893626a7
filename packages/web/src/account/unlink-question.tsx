import type { AccountIdentity } from "@microterm/protocol";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { RefObject } from "react";
import { administration } from "../api/administration.ts";
import { focusAfterClose } from "../parts/focus.ts";
import { Question } from "../parts/form/question.tsx";
import { useLatest } from "../parts/form/use-latest.ts";
import { Plain } from "../parts/plain.tsx";
import { calledAt, IDENTITIES_KEY } from "./identities.ts";

export interface UnlinkQuestionProps {
  /** Null: it is closed. */
  readonly identity: AccountIdentity | null;
  /** Where the focus goes once its row is gone. */
  readonly focusAfter: RefObject<HTMLButtonElement | null>;
  readonly onClose: () => void;
}

/** Before an identity is unlinked. */
export const UnlinkQuestion = ({ identity, focusAfter, onClose }: UnlinkQuestionProps) => {
  const cache = useQueryClient();
  const shown = useLatest(identity);
  const unlink = useMutation({
    mutationFn: (id: string) => administration.account.unlinkIdentity(id),
    onSettled: () => void cache.invalidateQueries({ queryKey: IDENTITIES_KEY }),
  });
  const close = (): void => {
    unlink.reset();
    onClose();
  };
  return (
    <Question
      title={
        <>
          Unlink <Plain text={shown === null ? "" : calledAt(shown)} />?
        </>
      }
      isOpen={identity !== null}
      no="Keep it"
      yes="Unlink"
      busy={unlink.isPending ? "Unlinking…" : null}
      error={unlink.error}
      onNo={close}
      onYes={() => identity && unlink.mutate(identity.id, { onSuccess: onClose })}
      finalFocus={() => (unlink.isSuccess ? focusAfter.current : null) ?? focusAfterClose()}
    >
      <p>You can't sign in with it any more. Where you are signed in you stay, and you can link it again.</p>
    </Question>
  );
};
