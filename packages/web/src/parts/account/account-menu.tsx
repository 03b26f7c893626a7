import { Popover } from "@base-ui/react/popover";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleUser, LogOut, UserCog, Users } from "lucide-react";
import { useState } from "react";
import { client } from "../../api/queries.ts";
import { keepSessionKey } from "../../api/session-key.ts";
import { forgetScreens } from "../../terminal/screens/kept-screens.ts";
import { buttonClass } from "../button.tsx";
import { focusAfterClose } from "../focus.ts";
import { Plain } from "../plain.tsx";
import { ROLE_WORDS } from "./people-words.ts";
import { useAccount } from "./use-account.ts";

const ITEM = "flex h-8 w-full items-center gap-2 rounded-md px-2 hover:bg-raised pointer-coarse:h-11";

const SignOut = () => {
  const leave = useMutation({
    mutationFn: () => client.session.signOut(),
    // A new page, so that nothing of the session stays in memory.
    onSettled: () => {
      forgetScreens(sessionStorage);
      keepSessionKey(null);
      location.assign("/sign-in");
    },
  });
  return (
    <button type="button" className={ITEM} onClick={() => leave.mutate()}>
      <LogOut aria-hidden className="size-4 text-muted" />
      {leave.isPending ? "Signing out…" : "Sign out"}
    </button>
  );
};

/** In the header: who is signed in, and the pages that belong to that. */
export const AccountMenu = () => {
  const account = useAccount();
  const [isOpen, setOpen] = useState(false);
  const close = (): void => setOpen(false);
  const label = account === null ? "Account" : `Account: ${account.name}`;
  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen}>
      <Popover.Trigger aria-label={label} title={label} className={buttonClass("quiet", true)}>
        <CircleUser aria-hidden className="size-4" />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner sideOffset={6} align="end" collisionPadding={8} className="z-20">
          <Popover.Popup
            finalFocus={focusAfterClose}
            className="fade min-w-52 rounded-md border border-border bg-surface p-1 text-text shadow-overlay"
          >
            <Popover.Title className="sr-only">Account</Popover.Title>
            {account && (
              <p className="flex justify-between gap-4 border-b border-border px-2 pt-1 pb-2">
                <Plain text={account.name} className="max-w-48 truncate font-medium" />
                <span className="text-muted">{ROLE_WORDS[account.role].name}</span>
              </p>
            )}
            <nav aria-label="Account and administration" className="grid pt-1">
              <Link to="/account" className={ITEM} onClick={close}>
                <UserCog aria-hidden className="size-4 text-muted" />
                My account
              </Link>
              {account?.role === "admin" && (
                <Link to="/admin/people" className={ITEM} onClick={close}>
                  <Users aria-hidden className="size-4 text-muted" />
                  Administration
                </Link>
              )}
            </nav>
            <SignOut />
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
};
