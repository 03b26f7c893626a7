import { DEFAULT_SIZE, Size } from "@microterm/protocol";

/** What most people start comes first. */
export const BUILD_ORDER: readonly Size[] = [DEFAULT_SIZE, ...Size.options.filter((size) => size !== DEFAULT_SIZE)];
