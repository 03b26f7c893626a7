import { plainText } from "@microterm/protocol/text";

/** Longer names are cut: they would push all else off the page. */
const MAX = 128;

/** A text that somebody else has written: without what acts on a page's layout, and in a direction of its own. */
export const Plain = ({ text, className }: { readonly text: string; readonly className?: string }) => (
  <bdi className={className} title={text.length > MAX ? plainText(text, { max: 1024 }) : undefined}>
    {plainText(text, { max: MAX })}
  </bdi>
);
