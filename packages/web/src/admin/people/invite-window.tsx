import { type IssuedInvitation, Role } from "@microterm/protocol";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { administration } from "../../api/administration.ts";
import { momentWords, ROLE_WORDS } from "../../parts/account/people-words.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { faultsOf } from "../../parts/form/faults.ts";
import { Choice } from "../../parts/form/field.tsx";
import { LifeChoice, UsesField, usesFault } from "../../parts/form/link-terms.tsx";
import { ShownOnce } from "../../parts/form/shown-once.tsx";
import { useForm } from "../../parts/form/use-form.ts";
import { Window } from "../../parts/form/window.tsx";
import { INVITATIONS_KEY } from "./keys.ts";

const MOST_USES = 1000;
const LIVES = [86_400, 604_800, 2_592_000, 7_776_000] as const;

const InviteForm = ({ onMade }: { readonly onMade: (invitation: IssuedInvitation) => void }) => {
  const form = useForm({
    check: ({ text }) => faultsOf({ uses: usesFault(text("uses"), MOST_USES) }),
    send: async ({ text }) =>
      onMade(
        await administration.accounts.invite({
          role: Role.parse(text("role")),
          uses: Number(text("uses")),
          expiresInSeconds: Number(text("life")),
        }),
      ),
  });
  return (
    <form className="grid gap-3" noValidate onSubmit={form.onSubmit} onInput={form.onInput}>
      <Choice name="role" label="As" defaultValue="member" autoComplete="off" autoFocus>
        {Role.options.map((role) => (
          <option key={role} value={role}>
            {ROLE_WORDS[role].name}: {ROLE_WORDS[role].does}
          </option>
        ))}
      </Choice>
      <div className="grid grid-cols-2 gap-3">
        <LifeChoice lives={LIVES} defaultValue={604_800} />
        <UsesField most={MOST_USES} defaultValue={1} fault={form.faults.uses} />
      </div>
      {form.error !== null && <FailureNote error={form.error} />}
      <Button look="primary" type="submit" needsServer busy={form.isSending ? "Making it…" : null}>
        Make a link
      </Button>
    </form>
  );
};

const Made = ({ invitation, onClose }: { readonly invitation: IssuedInvitation; readonly onClose: () => void }) => {
  const { code, role, usesLeft, expiresAt } = invitation;
  const whom = usesLeft === 1 ? "one person makes an account" : `${usesLeft} people make accounts`;
  return (
    <div className="grid gap-4">
      <ShownOnce
        label="Link of the invitation"
        text={`${location.origin}/invitation#${code}`}
        words={`By it, ${whom} with the role ${role}, until ${momentWords(expiresAt)}. Send it to nobody else.`}
      />
      <Button look="primary" className="justify-self-end" onClick={onClose}>
        Done
      </Button>
    </div>
  );
};

/** Makes a link by which people make their accounts. */
export const InviteWindow = ({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }) => {
  const cache = useQueryClient();
  const [made, setMade] = useState<IssuedInvitation | null>(null);
  const close = (): void => {
    onClose();
    setMade(null);
  };
  return (
    <Window title={made ? "The invitation is made" : "Invite people"} isOpen={isOpen} onClose={close}>
      {made ? (
        <Made invitation={made} onClose={close} />
      ) : (
        <InviteForm
          onMade={(invitation) => {
            setMade(invitation);
            void cache.invalidateQueries({ queryKey: INVITATIONS_KEY });
          }}
        />
      )}
    </Window>
  );
};
