import type { Environment } from "@microterm/protocol";
import type { ReactNode } from "react";
import { NetworkMenu } from "../../network/network-menu.tsx";
import { UsageMenu } from "../../usage/usage-menu.tsx";
import { useNow } from "../use-now.ts";
import { durationWords, sizeWords } from "../words.ts";
import { IsolationLabel } from "./isolation.tsx";
import { Status } from "./status.tsx";

/** Said on a phone too. */
const SOON_S = 600;

/** When it rests and when it is removed, where that is set. */
const Lifetime = ({ of }: { readonly of: Environment }) => {
  // Seconds are shown at the end only.
  const isSoon = of.expiresAt !== null && Date.parse(of.expiresAt) - Date.now() < SOON_S * 1000;
  const now = useNow(isSoon ? 1000 : 30_000);
  const left = of.expiresAt === null ? null : Math.max(0, (Date.parse(of.expiresAt) - now) / 1000);
  return (
    <>
      {of.idleTimeoutSeconds !== null && (
        <span className="min-w-0 truncate max-lg:hidden" title="Without input, programs or CPU use for this long">
          Rests after {durationWords(of.idleTimeoutSeconds)}
        </span>
      )}
      {left !== null && (
        <span className={left < SOON_S ? "shrink-0 text-warn" : "min-w-0 truncate max-md:hidden"}>
          <span className="max-sm:hidden">Removed in </span>
          {durationWords(left)}
          <span className="sm:hidden"> left</span>
        </span>
      )}
    </>
  );
};

/** 24 px under everything: state, isolation, network, size; then what the terminal adds. Network and size give way first. */
export const StatusBar = ({
  environment,
  children,
}: {
  readonly environment: Environment;
  readonly children?: ReactNode;
}) => (
  <footer className="flex h-6 shrink-0 items-center gap-4 overflow-hidden border-t border-border bg-surface px-3 text-xs max-lg:gap-2 max-sm:px-2 whitespace-nowrap text-muted">
    <Status of={environment} />
    <IsolationLabel isolation={environment.isolation} />
    <NetworkMenu key={environment.id} environment={environment} />
    <span className="min-w-0 truncate max-md:hidden">{sizeWords(environment)}</span>
    {environment.state === "running" && <UsageMenu id={environment.id} />}
    <Lifetime of={environment} />
    <span className="ml-auto flex shrink-0 items-center gap-4 max-lg:gap-2">{children}</span>
  </footer>
);
