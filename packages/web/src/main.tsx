import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createQueryClient, sessionQuery } from "./api/queries.ts";
import { checkSession, isSignedOut, setSignedOut } from "./api/signed-out.ts";
import { signInAddress } from "./entry/own-path.ts";
import "./entry/link-token.ts";
import { keepTerminalFocus } from "./parts/focus.ts";
import { dropStrayClicks } from "./parts/stray-click.ts";
import "./renderer.ts";
import { router } from "./router.tsx";
import "./styles.css";
import { preloadTerminal } from "./terminal/preload.ts";
import { forgetScreens } from "./terminal/screens/kept-screens.ts";
import { watchDrags } from "./upload/drag.ts";
import { isUploading } from "./upload/uploads.ts";

if (location.pathname.startsWith("/e/")) preloadTerminal();

dropStrayClicks();
keepTerminalFocus();
watchDrags();
addEventListener("beforeunload", (event) => {
  if (isUploading()) event.preventDefault();
});

const cache = createQueryClient((error, queryKey) => {
  if (!isSignedOut(error)) return;
  if (queryKey?.[0] !== sessionQuery.queryKey[0]) {
    void checkSession(cache);
    return;
  }
  forgetScreens(sessionStorage);
  if (cache.getQueryData(sessionQuery.queryKey) !== undefined) setSignedOut(true);
  // A new page, so that nothing of a session before stays in memory.
  else location.assign(signInAddress());
});

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={cache}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
