import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Suspense, useEffect, useSyncExternalStore } from "react";
import { environmentsQuery } from "../api/queries.ts";
import { useAccount } from "../parts/account/use-account.ts";
import { lazyPart } from "../parts/lazy-part.ts";
import { overlayStore, type Place, showOverlay, useCommand, usePlaces } from "./commands.ts";

const Palette = lazyPart(async () => (await import("./palette.tsx")).Palette);
const ShortcutSheet = lazyPart(async () => (await import("./shortcut-sheet.tsx")).ShortcutSheet);

/** What is typed into is not a command: `?` is a letter there. */
const isTyping = ({ target }: KeyboardEvent): boolean =>
  target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");

const onKeyDown = (event: KeyboardEvent): void => {
  const isPalette = event.ctrlKey && event.shiftKey && !event.altKey && event.key.toLowerCase() === "p";
  if (isPalette || (event.key === "F1" && !isTyping(event))) showOverlay("palette");
  else if (event.key === "?" && !event.ctrlKey && !event.altKey && !event.metaKey && !isTyping(event))
    showOverlay("shortcuts");
  else return;
  event.preventDefault();
};

/** The palette and the sheet of shortcuts, and the commands that every page has. */
export const Overlays = () => {
  const { overlay } = useSyncExternalStore(overlayStore.subscribe, overlayStore.get);
  const navigate = useNavigate();
  const account = useAccount();
  const list = useQuery(environmentsQuery);
  useEffect(() => {
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
  useCommand("page.shortcuts", () => showOverlay("shortcuts"));
  useCommand("page.environments", () => void navigate({ to: "/" }));
  useCommand("page.account", () => void navigate({ to: "/account" }));
  useCommand("page.administration", account?.role === "admin" ? () => void navigate({ to: "/admin/people" }) : null);
  usePlaces(() =>
    (list.data ?? []).map(
      ({ id, name, state }): Place => ({
        ...{ id: `environment:${id}`, name: `${name} (${state})`, group: "Environments" },
        run: () => void navigate({ to: "/e/$id", params: { id } }),
      }),
    ),
  );
  return (
    <Suspense>
      {overlay === "palette" && <Palette />}
      {overlay === "shortcuts" && <ShortcutSheet />}
    </Suspense>
  );
};
