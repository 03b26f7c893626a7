import { useMutation, useQueryClient } from "@tanstack/react-query";
import { administration } from "../../api/administration.ts";
import { Question } from "../../parts/form/question.tsx";
import { Plain } from "../../parts/plain.tsx";
import { useLatest } from "../use-latest.ts";
import type { AccountQuestionProps } from "./disable-question.tsx";
import { ACCOUNTS_KEY } from "./keys.ts";

/** Before an account is removed, with all it has. */
export const RemoveQuestion = ({ account, onClose }: AccountQuestionProps) => {
  const cache = useQueryClient();
  const shown = useLatest(account);
  const remove = useMutation({
    mutationFn: (id: string) => administration.accounts.remove(id, { destroysEnvironments: true }),
    onSuccess: onClose,
    onSettled: () => cache.invalidateQueries({ queryKey: ACCOUNTS_KEY }),
  });
  const close = (): void => {
    remove.reset();
    onClose();
  };
  const count = shown?.environments ?? 0;
  return (
    <Question
      title={
        <>
          Remove <Plain text={shown?.name ?? ""} />?
        </>
      }
      isOpen={account !== null}
      no="Keep it"
      yes="Remove"
      busy={remove.isPending ? "Removing…" : null}
      error={remove.error}
      onNo={close}
      onYes={() => account && remove.mutate(account.id)}
    >
      <p>
        {count === 0
          ? "It has no environments."
          : `Its ${count === 1 ? "environment is" : `${count} environments are`} removed with it, with their disks.`}{" "}
        This can't be undone.
      </p>
    </Question>
  );
};
