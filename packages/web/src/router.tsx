import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createRootRoute, createRoute, createRouter, Outlet, useLocation } from "@tanstack/react-router";
import { CloudOff } from "lucide-react";
import { useIsConnected, useLiveEvents } from "./api/live-events.ts";
import { sessionQuery } from "./api/queries.ts";
import { EnvironmentPage } from "./pages/environment.tsx";
import { ListPage } from "./pages/list.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { DestroyDialog } from "./parts/destroy-dialog.tsx";

const Disconnected = () => (
  <p
    role="status"
    className="flex shrink-0 items-center justify-center gap-2 border-b border-border bg-raised py-1 text-warn"
  >
    <CloudOff aria-hidden className="size-4" />
    The microterm server does not answer. What is shown may be old.
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
      <div className="flex h-full flex-col">
        {(!isConnected || session.failureCount > 0) && <Disconnected />}
        <div className="min-h-0 flex-1">{session.data && <Outlet />}</div>
      </div>
    </DestroyDialog>
  );
};

const Root = () => {
  const { pathname } = useLocation();
  return pathname === "/sign-in" ? <Outlet /> : <SignedIn />;
};

const rootRoute = createRootRoute({ component: Root, notFoundComponent: ListPage });
const routes = [
  createRoute({ getParentRoute: () => rootRoute, path: "/", component: ListPage }),
  createRoute({ getParentRoute: () => rootRoute, path: "/e/$id", component: EnvironmentPage }),
  createRoute({ getParentRoute: () => rootRoute, path: "/sign-in", component: SignInPage }),
] as const;

export const router = createRouter({ routeTree: rootRoute.addChildren(routes) });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
