import { Check, Upload as UploadIcon, X } from "lucide-react";
import { useEffect, useSyncExternalStore } from "react";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { bytesWords } from "../parts/words.ts";
import { takeDrops, useDrag } from "./drag.ts";
import { addUpload, allUploads, dropUpload, subscribe, type Upload } from "./uploads.ts";

/** What went well need not be dismissed. */
const DONE_MS = 8000;

const placeWords = (folder: string): string => (folder === "" ? "the home folder" : folder);

const Item = ({ upload }: { readonly upload: Upload }) => {
  const { id, name, folder, size, sent, phase, error } = upload;
  useEffect(() => {
    if (phase !== "done") return;
    const timer = setTimeout(() => dropUpload(id), DONE_MS);
    return () => clearTimeout(timer);
  }, [id, phase]);
  const percent = size === 0 ? 100 : Math.min(100, Math.floor((sent / size) * 100));
  const isUnderWay = phase === "waiting" || phase === "sending";
  return (
    <li className="grid gap-1 py-1.5">
      <div className="flex items-center gap-2">
        <span className="min-w-0 truncate font-medium" title={name}>
          {name}
        </span>
        <span className="ml-auto shrink-0 text-muted tabular-nums">
          {phase === "waiting" && "waiting"}
          {phase === "sending" && `${percent} % of ${bytesWords(size)}`}
        </span>
        {phase === "done" && <Check aria-hidden className="size-4 shrink-0 text-ok" />}
        <Button
          look="quiet"
          isSquare
          aria-label={`${isUnderWay ? "Cancel" : "Dismiss"} ${name}`}
          onClick={() => dropUpload(id)}
        >
          <X aria-hidden className="size-4" />
        </Button>
      </div>
      {isUnderWay && (
        <progress className="h-1 w-full accent-accent" aria-label={`Upload of ${name}`} value={percent} max={100} />
      )}
      <p role="status" className={phase === "done" ? "text-muted" : "sr-only"}>
        {phase === "done" && `Uploaded to ${placeWords(folder)}.`}
      </p>
      {phase === "failed" && <FailureNote error={error} />}
    </li>
  );
};

export interface UploadPanelProps {
  readonly environment: string;
  /** Where the shell that is looked at is; empty: not known. */
  readonly folder: string;
}

/** Files dropped on the page go to the shell's folder; what is under way is shown over the terminal's corner. */
export const UploadPanel = ({ environment, folder }: UploadPanelProps) => {
  const uploads = useSyncExternalStore(subscribe, allUploads).filter((one) => one.environment === environment);
  const { isDragging } = useDrag();
  useEffect(
    () =>
      takeDrops((transfer) => {
        for (const item of [...transfer.items]) {
          const file = item.kind === "file" ? item.getAsFile() : null;
          if (file) addUpload(environment, folder, file, item.webkitGetAsEntry?.()?.isDirectory === true);
        }
      }),
    [environment, folder],
  );
  return (
    <>
      {isDragging && (
        <div className="pointer-events-none absolute inset-2 z-2 grid place-items-center rounded-md border-2 border-dashed border-accent bg-veil">
          <p className="flex items-center gap-2 rounded-md border border-border bg-surface px-4 py-3 font-medium shadow-overlay">
            <UploadIcon aria-hidden className="size-4 text-accent" />
            Drop to upload to {placeWords(folder)}
          </p>
        </div>
      )}
      {uploads.length > 0 && (
        <section
          aria-label="Uploads"
          className="absolute right-4 bottom-3 z-2 max-h-[60%] w-[min(360px,calc(100%-32px))] overflow-auto rounded-md border border-border bg-surface px-3 py-1 shadow-overlay"
        >
          <ul className="divide-y divide-border">
            {uploads.map((upload) => (
              <Item key={upload.id} upload={upload} />
            ))}
          </ul>
        </section>
      )}
    </>
  );
};
