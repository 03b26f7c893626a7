import type { CreatedShare } from "@microterm/protocol";
import { useQueryClient } from "@tanstack/react-query";
import { type RefObject, useRef, useState } from "react";
import { momentWords } from "../../parts/account/people-words.ts";
import { Button } from "../../parts/button.tsx";
import { ShownOnce } from "../../parts/form/shown-once.tsx";
import { Window } from "../../parts/form/window.tsx";
import { Plain } from "../../parts/plain.tsx";
import { ShareForm } from "./share-form.tsx";
import { ShareList } from "./share-list.tsx";
import { sharesKey } from "./shares-key.ts";

const Made = ({ share, onAgain }: { readonly share: CreatedShare; readonly onAgain: () => void }) => {
  const [grant] = share.grants;
  return (
    <div className="grid gap-3">
      {share.path === null ? (
        <p role="status">
          <Plain text={grant?.name ?? ""} className="font-medium" /> finds it under “Shared with me”, until{" "}
          {momentWords(share.expiresAt)}.
        </p>
      ) : (
        <ShownOnce
          label="Link to this terminal"
          text={location.origin + share.path}
          words={`It lets in ${share.usesLeft === 1 ? "one person" : `${share.usesLeft} people`} until ${momentWords(share.expiresAt)}.`}
        />
      )}
      <Button className="justify-self-start" autoFocus={share.path === null} onClick={onAgain}>
        Share with others too
      </Button>
    </div>
  );
};

export interface ShareWindowProps {
  readonly environment: string;
  readonly terminal: string;
  /** Of its tab. */
  readonly name: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly opener: RefObject<HTMLElement | null>;
}

/** Shares a terminal, and says what is shared of it. */
export const ShareWindow = ({ environment, terminal, name, isOpen, onClose, opener }: ShareWindowProps) => {
  const cache = useQueryClient();
  const [made, setMade] = useState<CreatedShare | null>(null);
  const place = useRef<HTMLDivElement>(null);
  const show = (share: CreatedShare | null): void => {
    // The dialog would take the focus from the next field when what has it now goes.
    place.current?.focus();
    setMade(share);
  };
  const close = (): void => {
    onClose();
    setMade(null);
  };
  return (
    <Window title={`Share ${name}`} isOpen={isOpen} onClose={close} opener={opener}>
      <div ref={place} tabIndex={-1} className="outline-none">
        {made ? (
          <Made share={made} onAgain={() => show(null)} />
        ) : (
          <ShareForm
            environment={environment}
            terminal={terminal}
            onMade={(share) => {
              show(share);
              void cache.invalidateQueries({ queryKey: sharesKey(environment) });
            }}
          />
        )}
      </div>
      <ShareList environment={environment} terminal={terminal} />
    </Window>
  );
};
