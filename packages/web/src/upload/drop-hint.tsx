import { useDrag } from "./drag.ts";

/** While files are dragged over a page that has no place for them: where they can be dropped. */
export const DropHint = () => {
  const { isDragging, isTaken } = useDrag();
  if (!isDragging || isTaken) return null;
  return (
    <p
      role="status"
      className="pointer-events-none fixed bottom-10 left-1/2 z-20 w-max max-w-[calc(100vw-24px)] -translate-x-1/2 rounded-md border border-border bg-raised px-4 py-3 shadow-overlay"
    >
      Files can be dropped on a running environment's terminal: open one first.
    </p>
  );
};
