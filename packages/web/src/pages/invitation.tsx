import type { InvitationTerms, Role } from "@microterm/protocol";
import { RequestError } from "@microterm/sdk";
import { useQuery } from "@tanstack/react-query";
import { client, failureOf } from "../api/queries.ts";
import { Frame } from "../entry/frame.tsx";
import { useCode } from "../entry/use-code.ts";
import { useEnter } from "../entry/use-enter.ts";
import { momentWords, NEW_PASSWORD_HINT } from "../parts/account/people-words.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { accountNameFault, faultsOf, newPasswordFault } from "../parts/form/faults.ts";
import { Field, PasswordField } from "../parts/form/field.tsx";
import { useForm } from "../parts/form/use-form.ts";
import { sentence } from "../parts/words.ts";

const TERMS: Readonly<Record<Role, string>> = {
  admin: "You will be an admin: you have environments of your own, and look after this server and its people.",
  member: "You will have Linux environments of your own on this server.",
  visitor: "You will see what others share with you on this server.",
};

const AcceptForm = ({ code, terms }: { readonly code: string; readonly terms: InvitationTerms }) => {
  const enter = useEnter("/");
  const form = useForm({
    check: ({ text }) =>
      faultsOf({ name: accountNameFault(text("name")), password: newPasswordFault(text("password")) }),
    send: async ({ text }) =>
      enter(await client.session.acceptInvitation({ code, name: text("name"), password: text("password") })),
    placeOf: (refused) => (refused === "NAME_TAKEN" ? "name" : null),
  });
  return (
    <>
      <p className="mt-1 text-muted">
        {TERMS[terms.role]} The invitation lasts until {momentWords(terms.expiresAt)}.
      </p>
      <form className="mt-4 grid gap-3" noValidate onSubmit={form.onSubmit} onInput={form.onInput}>
        <Field
          name="name"
          label="Name"
          autoComplete="username"
          autoCapitalize="off"
          spellCheck={false}
          maxLength={32}
          autoFocus
          hint="By which others know you here: lower-case letters, digits, dots and hyphens."
          fault={form.faults.name}
        />
        <PasswordField
          name="password"
          label="Password"
          autoComplete="new-password"
          hint={NEW_PASSWORD_HINT}
          fault={form.faults.password}
        />
        {form.error !== null && <FailureNote error={form.error} />}
        <Button look="primary" type="submit" busy={form.isSending ? "Making your account…" : null}>
          Make my account
        </Button>
      </form>
    </>
  );
};

/** What an invitation's link leads to. It is looked at as often as one likes: the button alone uses it up. */
export const InvitationPage = () => {
  const code = useCode();
  const terms = useQuery({
    queryKey: ["invitation", code],
    queryFn: () => client.session.lookAtInvitation(code),
    enabled: code !== "",
    staleTime: Number.POSITIVE_INFINITY,
  });
  const isInvalid =
    code === "" ||
    (terms.error instanceof RequestError && ["INVITATION_INVALID", "BAD_REQUEST"].includes(terms.error.code));
  if (isInvalid) {
    const { message, hint } = failureOf(terms.error);
    const isWhole = code !== "" && terms.error instanceof RequestError && terms.error.code !== "BAD_REQUEST";
    return (
      <Frame title="This invitation can't be used">
        <p className="mt-1 text-muted">
          {isWhole ? `${sentence(message)} ${hint}` : "This link is not whole. Copy all of it, or ask for another one."}
        </p>
      </Frame>
    );
  }
  return (
    <Frame title="You are invited to microterm">
      {terms.isPending && (
        <p role="status" className="late mt-4 text-muted">
          {terms.failureCount > 0
            ? "The microterm server does not answer. Trying again…"
            : "Looking at the invitation…"}
        </p>
      )}
      {terms.isError && <FailureNote error={terms.error} className="mt-4" />}
      {terms.data && <AcceptForm key={code} code={code} terms={terms.data} />}
    </Frame>
  );
};
