/** Files that are dragged over the page. Without this the browser would leave the page for whatever is dropped on it. */
import { useSyncExternalStore } from "react";
import { createStore } from "../store.ts";

type Taker = (transfer: DataTransfer) => void;

/** `isTaken`: there is a place for them. */
const store = createStore({ isDragging: false, isTaken: false });
let taker: Taker | null = null;

export const useDrag = (): ReturnType<typeof store.get> => useSyncExternalStore(store.subscribe, store.get);

/** From now on files go there. Returns what ends that. */
export const takeDrops = (take: Taker): (() => void) => {
  taker = take;
  store.set({ isTaken: true });
  return () => {
    if (taker !== take) return;
    taker = null;
    store.set({ isTaken: false });
  };
};

const hasFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes("Files") === true;

export const watchDrags = (): void => {
  const over = (event: DragEvent): void => {
    if (!hasFiles(event) || event.dataTransfer === null) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = taker === null ? "none" : "copy";
    store.set({ isDragging: true });
  };
  const end = (): void => store.set({ isDragging: false });
  addEventListener("dragenter", over);
  addEventListener("dragover", over);
  addEventListener("dragleave", (event) => {
    // Out of the window, not from one element to the next.
    if (event.relatedTarget === null) end();
  });
  addEventListener("dragend", end);
  addEventListener("drop", (event) => {
    end();
    if (!hasFiles(event) || event.dataTransfer === null) return;
    event.preventDefault();
    taker?.(event.dataTransfer);
  });
};
