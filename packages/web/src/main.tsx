import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createQueryClient } from "./api/queries.ts";
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

const cache = createQueryClient(() => {
  forgetScreens(sessionStorage);
  const { pathname } = location;
  if (pathname === "/sign-in") return;
  const to = pathname === "/" ? "" : `?to=${encodeURIComponent(pathname)}`;
  // A new page, so that nothing of the old session stays in memory.
  location.assign(`/sign-in${to}`);
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
