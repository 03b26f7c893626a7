import { Dialog } from "@base-ui/react/dialog";
import type { AccountSummary, NewSession } from "@microterm/protocol";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { client, sessionQuery } from "../api/queries.ts";
import { keepSessionKey, onOtherSessionKey } from "../api/session-key.ts";
import { setSignedOut } from "../api/signed-out.ts";
import { Button } from "../parts/button.tsx";
import { focusTerminal } from "../parts/focus.ts";
import { Plain } from "../parts/plain.tsx";
import { LinkWay, ProviderButton } from "./other-ways.tsx";
import { signInAddress } from "./own-path.ts";
import { PasswordForm } from "./password-form.tsx";
import { sessionOf } from "./use-enter.ts";

/** For somebody else: a new page, so that nothing of the session before stays in memory. */
const leave = (): void => {
  keepSessionKey(null);
  location.assign(signInAddress());
};

/** Lies over whatever is on the page when its session ends, hides it, and has it go on after another sign-in. */
export const SignInAgain = ({ account }: { readonly account: AccountSummary }) => {
  const cache = useQueryClient();
  const ways = useQuery({ queryKey: ["sign-in"], queryFn: () => client.session.ways() });
  const goOn = async (session: NewSession): Promise<void> => {
    keepSessionKey(session.key);
    if (session.account.id !== account.id) {
      location.assign("/");
      return;
    }
    cache.setQueryData(sessionQuery.queryKey, sessionOf(session));
    setSignedOut(false);
    await cache.invalidateQueries();
  };
  useEffect(
    () =>
      // Another tab has signed in, or out.
      onOtherSessionKey((key) => {
        if (key === null) leave();
        else
          void client.session.current().then(
            (session) => {
              if (session.account.id !== account.id) location.assign("/");
              cache.setQueryData(sessionQuery.queryKey, session);
              setSignedOut(false);
              void cache.invalidateQueries();
            },
            () => undefined,
          );
      }),
    [account.id, cache],
  );
  const { password = false, oidc = null } = ways.data ?? {};
  return (
    <Dialog.Root open>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-30 bg-bg/97" />
        <Dialog.Popup
          data-sign-in-again
          finalFocus={() => {
            focusTerminal();
            return true;
          }}
          className="fixed top-[16vh] left-1/2 z-30 max-h-[80vh] w-[min(400px,calc(100vw-24px))] -translate-x-1/2 overflow-auto rounded-md border border-border bg-surface p-5 shadow-overlay"
        >
          <Dialog.Title className="text-[15px] font-semibold">Sign in again</Dialog.Title>
          <Dialog.Description className="mt-1 text-muted">
            You are signed out of <Plain text={account.name} />: the session has expired or was ended. What you typed is
            kept, and terminals go on where they were.
          </Dialog.Description>
          {password && <PasswordForm name={account.name} onEntered={goOn} />}
          {oidc && <ProviderButton provider={oidc} to="/" isApart />}
          {ways.data && <LinkWay isAlone={!password && oidc === null} />}
          <Button look="quiet" className="mt-4 -ml-3" onClick={leave}>
            Use another account
          </Button>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
};
