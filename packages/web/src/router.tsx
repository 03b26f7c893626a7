import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet } from "@tanstack/react-router";
import { CloudOff } from "lucide-react";
import { lazy, Suspense, useEffect, useRef } from "react";
import { useIsConnected, useLiveEvents } from "./api/live-events.ts";
import { sessionQuery } from "./api/queries.ts";
import { useIsSignedOut } from "./api/signed-out.ts";
import { Overlays } from "./commands/overlays.tsx";
import { EnvironmentPage } from "./pages/environment.tsx";
import { ListPage } from "./pages/list.tsx";
import { BrokenPage, NotFoundPage } from "./pages/not-found.tsx";
import { DestroyDialog } from "./parts/power/destroy-dialog.tsx";
import { StopDialog } from "./parts/power/stop-dialog.tsx";
import { DropHint } from "./upload/drop-hint.tsx";

const SignInAgain = lazy(async () => ({ default: (await import("./entry/sign-in-again.tsx")).SignInAgain }));

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
  const isOut = useIsSignedOut();
  const { data } = session;
  useLiveEvents(cache, session.isSuccess && !isOut);
  const account = useRef(data?.account);
  useEffect(() => {
    const before = account.current;
    account.current = data?.account;
    // Another tab has signed somebody else in, or an admin has changed what may be done: nothing of before stays on the page.
    if (before && data && (before.id !== data.account.id || before.role !== data.account.role)) location.assign("/");
  }, [data]);
  return (
    <DestroyDialog>
      <StopDialog>{data && <Outlet />}</StopDialog>
      {(!isConnected || session.failureCount > 0) && !isOut && <Disconnected />}
      {data && isOut && (
        <Suspense>
          <SignInAgain account={data.account} />
        </Suspense>
      )}
      <DropHint />
      <Overlays />
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
const signIn = createRoute({
  getParentRoute: () => rootRoute,
  path: "/sign-in",
  component: lazyRouteComponent(() => import("./pages/sign-in.tsx"), "SignInPage"),
});
const invitation = createRoute({
  getParentRoute: () => rootRoute,
  path: "/invitation",
  component: lazyRouteComponent(() => import("./pages/invitation.tsx"), "InvitationPage"),
});
const reset = createRoute({
  getParentRoute: () => rootRoute,
  path: "/reset",
  component: lazyRouteComponent(() => import("./pages/reset.tsx"), "ResetPage"),
});
const sharedLink = createRoute({
  getParentRoute: () => rootRoute,
  path: "/shared",
  component: lazyRouteComponent(() => import("./pages/shared-link.tsx"), "SharedLinkPage"),
});
const sharedTerminal = createRoute({
  getParentRoute: () => rootRoute,
  path: "/shared/$grant",
  component: lazyRouteComponent(() => import("./pages/shared-terminal.tsx"), "SharedTerminalPage"),
});
const account = createRoute({
  getParentRoute: () => signedIn,
  path: "/account",
  // Who comes back from linking an identity is told what came of it.
  validateSearch: ({ identity }): { readonly identity?: string } => (typeof identity === "string" ? { identity } : {}),
  component: lazyRouteComponent(() => import("./pages/account.tsx"), "AccountPage"),
});
const people = createRoute({
  getParentRoute: () => signedIn,
  path: "/admin/people",
  component: lazyRouteComponent(() => import("./admin/people/people-page.tsx"), "PeoplePage"),
});
const audit = createRoute({
  getParentRoute: () => signedIn,
  path: "/admin/audit",
  component: lazyRouteComponent(() => import("./admin/audit/audit-page.tsx"), "AuditPage"),
});
const allEnvironments = createRoute({
  getParentRoute: () => signedIn,
  path: "/admin/environments",
  component: lazyRouteComponent(() => import("./admin/environments/environments-page.tsx"), "AdminEnvironmentsPage"),
});
const quotas = createRoute({
  getParentRoute: () => signedIn,
  path: "/admin/quotas",
  component: lazyRouteComponent(() => import("./admin/quotas/quotas-page.tsx"), "QuotasPage"),
});

export const router = createRouter({
  defaultErrorComponent: BrokenPage,
  routeTree: rootRoute.addChildren([
    signedIn.addChildren([list, environment, account, people, allEnvironments, quotas, audit]),
    signIn,
    invitation,
    reset,
    sharedLink,
    sharedTerminal,
  ]),
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
