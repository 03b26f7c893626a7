import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createRootRoute, createRoute, createRouter, Outlet } from "@tanstack/react-router";
import { CloudOff } from "lucide-react";
import { useIsConnected, useLiveEvents } from "./api/live-events.ts";
import { sessionQuery } from "./api/queries.ts";
import { EnvironmentPage } from "./pages/environment.tsx";
import { ListPage } from "./pages/list.tsx";
import { NotFoundPage } from "./pages/not-found.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { DestroyDialog } from "./parts/power/destroy-dialog.tsx";
import { StopDialog } from "./parts/power/stop-dialog.tsx";
import { DropHint } from "./upload/drop-hint.tsx";

/** Over the header, so that nothing moves: a terminal that changes its height would be told a new size. */
const Disconnected = () => (
  <p
    role="status"
    className="late pointer-events-none fixed top-1.5 left-1/2 z-10 flex h-8 -translate-x-1/2 items-center gap-2 rounded-md border border-border bg-raised px-3 whitespace-nowrap text-warn"
  >
    <CloudOff aria-hidden className="size-4" />
    The microterm server does not answer
  </p>
);

/** Everything but signing in, with the live list of environments. */
const SignedIn = () => {
  const cache = useQueryClient();
  const session = useQuery(sessionQuery);
  const isConnected = useIsConnected();
  useLiveEvents(cache, session.isSuccess);
  return (
    <DestroyDialog>
      <StopDialog>{session.data && <Outlet />}</StopDialog>
      {(!isConnected || session.failureCount > 0) && <Disconnected />}
      <DropHint />
    </DestroyDialog>
  );
};

const rootRoute = createRootRoute({ notFoundComponent: NotFoundPage });
const signedIn = createRoute({ getParentRoute: () => rootRoute, id: "signed-in", component: SignedIn });
const list = createRoute({ getParentRoute: () => signedIn, path: "/", component: ListPage });
const environment = createRoute({
  getParentRoute: () => signedIn,
  path: "/e/$id",
  component: EnvironmentPage,
  // A link may name the terminal to look at.
  validateSearch: ({ terminal }): { readonly terminal?: string } =>
    typeof terminal === "string" || typeof terminal === "number" ? { terminal: String(terminal) } : {},
});
const signIn = createRoute({ getParentRoute: () => rootRoute, path: "/sign-in", component: SignInPage });

export const router = createRouter({
  routeTree: rootRoute.addChildren([signedIn.addChildren([list, environment]), signIn]),
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
