import { DisplayName, type SharePreview } from "@microterm/protocol";
import { RequestError } from "@microterm/sdk";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { client, failureOf } from "../api/queries.ts";
import { keepShareKey } from "../api/share-key.ts";
import { Frame } from "../entry/frame.tsx";
import { useCode } from "../entry/use-code.ts";
import { momentWords } from "../parts/account/people-words.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { emptyFault, faultsOf } from "../parts/form/faults.ts";
import { Field } from "../parts/form/field.tsx";
import { useForm } from "../parts/form/use-form.ts";
import { Plain } from "../parts/plain.tsx";
import { sentence } from "../parts/words.ts";
import { keepShareCode, shareCodeOf } from "../sharing/received/share-code.ts";
import { useSignedIn } from "../sharing/received/use-signed-in.ts";

const nameFault = (text: string): string | null => {
  if (text.trim() === "") return emptyFault("");
  const { error } = DisplayName.safeParse(text);
  return error ? sentence(`A name ${error.issues[0]?.message ?? "is needed"}`) : null;
};

const SignInLink = ({ code, children }: { readonly code: string; readonly children: string }) => (
  <a
    href="/sign-in?to=%2Fshared"
    onClick={() => keepShareCode(code)}
    className="text-accent underline underline-offset-2"
  >
    {children}
  </a>
);

interface AcceptProps {
  readonly code: string;
  readonly isNameAsked: boolean;
  readonly children?: ReactNode;
}

const AcceptForm = ({ code, isNameAsked, children }: AcceptProps) => {
  const navigate = useNavigate();
  const form = useForm({
    check: ({ text }) => faultsOf(isNameAsked ? { name: nameFault(text("name")) } : {}),
    send: async ({ text }) => {
      const { id, key } = await client.sharing.accept(code, isNameAsked ? text("name") : undefined);
      if (key !== null) keepShareKey(key);
      keepShareCode(null);
      await navigate({ to: "/shared/$grant", params: { grant: id }, replace: true });
    },
  });
  return (
    <form className="mt-4 grid gap-3" noValidate onSubmit={form.onSubmit} onInput={form.onInput}>
      {isNameAsked && (
        <Field
          name="name"
          label="Your name"
          autoComplete="nickname"
          autoFocus
          maxLength={200}
          hint="By which those who are there know you. It is shown as of somebody without an account."
          fault={form.faults.name}
        />
      )}
      {form.error !== null && <FailureNote error={form.error} />}
      <Button
        look="primary"
        type="submit"
        autoFocus={!isNameAsked}
        className="pointer-coarse:h-11"
        busy={form.isSending ? "Opening it…" : null}
      >
        Open the terminal
      </Button>
      {children}
    </form>
  );
};

const Terms = ({ of: { owner, title, role, scrollback, expiresAt } }: { readonly of: SharePreview }) => (
  <div className="mt-1 grid gap-1 text-muted">
    <p>
      <Plain text={owner} className="font-medium text-text" />
      {title === "" ? " shares a terminal with you." : " shares a terminal with you, in which this runs:"}
    </p>
    {title !== "" && <Plain text={title} className="truncate font-mono text-xs text-text" />}
    <p>
      {role === "viewer" ? "You look on, and may ask to type." : "You may type."} You see its screen
      {scrollback ? " and what was above it before" : " as it is from now on"}, until {momentWords(expiresAt)}.
    </p>
  </div>
);

const Accept = ({ code, preview }: { readonly code: string; readonly preview: SharePreview }) => {
  const signedIn = useSignedIn();
  if (signedIn === undefined) return null;
  if (signedIn !== null) {
    return (
      <AcceptForm code={code} isNameAsked={false}>
        <p className="text-muted">
          You are signed in as <Plain text={signedIn.name} className="font-medium" />, and are seen by that name.
        </p>
      </AcceptForm>
    );
  }
  if (preview.withoutAccount === "off") {
    return (
      <p className="mt-4">
        It is for people with an account. <SignInLink code={code}>Sign in to open it</SignInLink>
      </p>
    );
  }
  return (
    <AcceptForm code={code} isNameAsked>
      {preview.role === "editor" && preview.withoutAccount === "viewer" && (
        <p className="text-muted">Without an account you look on: this server lets nobody type without one.</p>
      )}
      <p className="text-muted">
        Have an account here? <SignInLink code={code}>Sign in</SignInLink>
      </p>
    </AcceptForm>
  );
};

/** What a shared link leads to. It is looked at as often as one likes: the button alone uses it up. */
export const SharedLinkPage = () => {
  const code = shareCodeOf(useCode());
  const preview = useQuery({
    queryKey: ["share", code],
    queryFn: () => client.sharing.look(code),
    enabled: code !== "",
    staleTime: Number.POSITIVE_INFINITY,
  });
  const refusal = preview.error instanceof RequestError ? preview.error : null;
  if (code === "" || refusal?.code === "BAD_REQUEST" || refusal?.code === "SHARE_ENDED") {
    const { hint } = failureOf(refusal);
    return (
      <Frame title="This link can't be opened">
        <p className="mt-1 text-muted">
          {refusal?.code === "SHARE_ENDED"
            ? `${sentence(refusal.message)} ${hint}`
            : "This link is not whole. Copy all of it, or ask for another one."}
        </p>
      </Frame>
    );
  }
  return (
    <Frame title="A terminal is shared with you">
      {preview.isPending && (
        <p role="status" className="late mt-4 text-muted">
          {preview.failureCount > 0 ? "The microterm server does not answer. Trying again…" : "Looking at the link…"}
        </p>
      )}
      {preview.isError && <FailureNote error={preview.error} className="mt-4" />}
      {preview.data && (
        <>
          <Terms of={preview.data} />
          <Accept key={code} code={code} preview={preview.data} />
        </>
      )}
    </Frame>
  );
};
