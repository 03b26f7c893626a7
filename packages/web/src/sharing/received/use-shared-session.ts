import { type RefObject, useEffect, useState } from "react";
import { client } from "../../api/queries.ts";
import { RENDERER } from "../../renderer.ts";
import { openSession, type Session } from "../../terminal/session/session.ts";
import { changeTerminalSettings, IS_MAC, terminalSettings } from "../../terminal/settings.ts";

/** A terminal that is shared, for as long as the page shows it. `find` opens its search. */
export const useSharedSession = (grant: string, owner: string, find: RefObject<() => void>): Session | null => {
  const [session, setSession] = useState<Session | null>(null);
  useEffect(() => {
    const made = openSession({
      ...{ terminal: grant, keptAs: `shared.${grant}`, label: `Terminal of ${owner}`, renderer: RENDERER },
      isShared: true,
      connect: (request) => client.attachShared({ ...request, grant }),
      keys: () => ({ isTabFree: terminalSettings().isTabFree, isMac: IS_MAC }),
      // There are no other tabs.
      onPageKey: (key) => {
        if (key === "toggle-tab") changeTerminalSettings({ isTabFree: !terminalSettings().isTabFree });
        else if (key === "find") find.current();
      },
    });
    setSession(made);
    return () => {
      made.dispose();
      setSession(null);
    };
  }, [grant, owner, find]);
  return session;
};
