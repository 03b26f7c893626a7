import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Question } from "../parts/form/question.tsx";
import { useLatest } from "../parts/form/use-latest.ts";

export interface ActQuestionProps<T extends { readonly id: string }> {
  /** Null: not asked. */
  readonly subject: T | null;
  readonly title: (subject: T) => ReactNode;
  readonly no: string;
  /** Null: it cannot be done. */
  readonly yes: string | null;
  readonly busy: string;
  readonly act: (id: string) => Promise<unknown>;
  /** What is asked for again afterwards. */
  readonly changes: QueryKey;
  readonly onClose: () => void;
  readonly children: (subject: T) => ReactNode;
}

/** Before an admin does something to what is another's; it stays while that is done, and says what was refused. */
export const ActQuestion = <T extends { readonly id: string }>(props: ActQuestionProps<T>) => {
  const { subject, title, no, yes, busy, act, changes, onClose, children } = props;
  const cache = useQueryClient();
  const shown = useLatest(subject);
  const acting = useMutation({
    mutationFn: act,
    onSuccess: onClose,
    onSettled: () => cache.invalidateQueries({ queryKey: changes }),
  });
  const close = (): void => {
    acting.reset();
    onClose();
  };
  return (
    <Question
      title={shown && title(shown)}
      isOpen={subject !== null}
      {...{ no, yes }}
      busy={acting.isPending ? busy : null}
      error={acting.error}
      onNo={close}
      onYes={() => subject && acting.mutate(subject.id)}
    >
      {shown && children(shown)}
    </Question>
  );
};
