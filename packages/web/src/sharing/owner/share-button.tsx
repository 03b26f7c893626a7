import { UserPlus } from "lucide-react";
import { Suspense, useRef, useState } from "react";
import { Button } from "../../parts/button.tsx";
import { lazyPart } from "../../parts/lazy-part.ts";

const ShareWindow = lazyPart(async () => (await import("./share-window.tsx")).ShareWindow);

export interface ShareButtonProps {
  readonly environment: string;
  readonly terminal: string;
  readonly name: string;
}

/** Beside the tabs: shares the terminal that is looked at. */
export const ShareButton = (props: ShareButtonProps) => {
  const button = useRef<HTMLButtonElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [wasOpened, setOpened] = useState(false);
  return (
    <>
      <Button
        ref={button}
        look="quiet"
        command="terminal.share"
        aria-haspopup="dialog"
        onClick={() => {
          setOpened(true);
          setOpen(true);
        }}
      >
        <UserPlus aria-hidden className="size-4" />
        <span className="max-sm:sr-only">Share</span>
      </Button>
      {wasOpened && (
        <Suspense>
          <ShareWindow {...props} isOpen={isOpen} onClose={() => setOpen(false)} opener={button} />
        </Suspense>
      )}
    </>
  );
};
