import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { type Faults, NO_FAULTS, refusedFields } from "./faults.ts";

/** What is in the fields, by their names. */
export interface Values {
  /** Of one field; empty where there is none. */
  text(name: string): string;
  /** Of all that are ticked. */
  all(name: string): readonly string[];
}

const valuesOf = (form: HTMLFormElement): Values => {
  const data = new FormData(form);
  const all = (name: string): string[] => data.getAll(name).filter((value) => typeof value === "string");
  return { all, text: (name) => all(name)[0] ?? "" };
};

export interface FormOptions {
  /** Looked at before anything is sent. */
  readonly check: (values: Values) => Faults;
  /** Nothing is sent again while it runs. */
  readonly send: (values: Values) => Promise<unknown>;
  /** The field that a refusal of this code belongs to; null: to none. */
  readonly placeOf?: (code: string) => string | null;
  /** What was typed is taken out of the fields once it was sent. */
  readonly isCleared?: boolean;
}

export interface Form {
  readonly faults: Faults;
  /** Of the last attempt, where it belongs to no field; null: none. */
  readonly error: unknown;
  readonly isSending: boolean;
  readonly isSent: boolean;
  readonly onSubmit: (event: FormEvent<HTMLFormElement>) => void;
  /** A field is being changed: what was wrong with it is no more. */
  readonly onInput: (event: FormEvent<HTMLFormElement>) => void;
}

const nowhere = (): null => null;

/** A form whose fields keep what was typed when it is refused; the first field at fault gets the focus. */
export const useForm = ({ check, send, placeOf = nowhere, isCleared = false }: FormOptions): Form => {
  const [faults, setFaults] = useState(NO_FAULTS);
  // State comes a moment late for the second of two presses.
  const isUnderWay = useRef(false);
  const sending = useMutation({ mutationFn: send });
  const blame = (form: HTMLFormElement, found: Faults): void => {
    setFaults(found);
    const fields = [...form.elements].filter(
      (one) => one instanceof HTMLInputElement || one instanceof HTMLSelectElement,
    );
    fields.find(({ name }) => name in found)?.focus();
  };
  const onSubmit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    if (isUnderWay.current) return;
    const values = valuesOf(form);
    const found = check(values);
    sending.reset();
    blame(form, found);
    if (Object.keys(found).length > 0) return;
    isUnderWay.current = true;
    sending.mutate(values, {
      onSuccess: () => isCleared && form.reset(),
      onError: (error) => blame(form, refusedFields(error, placeOf)),
      onSettled: () => {
        isUnderWay.current = false;
      },
    });
  };
  const onInput = ({ target }: FormEvent<HTMLFormElement>): void => {
    const { name } = target as HTMLInputElement;
    setFaults((before) => {
      const { [name]: _, ...others } = before;
      return name in before ? others : before;
    });
  };
  const isBlamed = Object.keys(refusedFields(sending.error, placeOf)).length > 0;
  return {
    faults,
    error: sending.isError && !isBlamed ? sending.error : null,
    isSending: sending.isPending,
    isSent: sending.isSuccess,
    onSubmit,
    onInput,
  };
};
