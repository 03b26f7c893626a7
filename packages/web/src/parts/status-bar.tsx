import type { Environment } from "@microterm/protocol";
import type { ReactNode } from "react";
import { IsolationLabel } from "./isolation.tsx";
import { Status } from "./status.tsx";
import { sizeWords } from "./words.ts";

/** 24 px under everything: state, isolation, network, size; then what the terminal adds. */
export const StatusBar = ({
  environment,
  children,
}: {
  readonly environment: Environment;
  readonly children?: ReactNode;
}) => (
  <footer className="flex h-6 shrink-0 items-center gap-4 overflow-hidden border-t border-border bg-surface px-3 text-xs whitespace-nowrap text-muted">
    <Status of={environment} />
    <IsolationLabel isolation={environment.isolation} />
    <span className="max-md:hidden" title="Environments have no network yet: only their own loopback interface.">
      Network: loopback only
    </span>
    <span className="max-md:hidden">{sizeWords(environment)}</span>
    <span className="ml-auto flex items-center gap-4">{children}</span>
  </footer>
);
