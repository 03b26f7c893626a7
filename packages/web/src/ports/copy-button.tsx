import { Copy } from "lucide-react";
import { useState } from "react";
import { Button } from "../parts/button.tsx";

/** Copies a text, and says that it has. */
export const CopyButton = ({ text, label }: { readonly text: string; readonly label: string }) => {
  const [isCopied, setCopied] = useState(false);
  return (
    <>
      <Button
        look="quiet"
        isSquare
        aria-label={label}
        title={label}
        onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
      >
        <Copy aria-hidden className={`size-4 ${isCopied ? "text-ok" : ""}`} />
      </Button>
      <span role="status" className="sr-only">
        {isCopied && "Copied"}
      </span>
    </>
  );
};
