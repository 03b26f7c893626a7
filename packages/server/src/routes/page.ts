import { existsSync } from "node:fs";
import { join, sep } from "node:path";
import staticFiles from "@fastify/static";
import type { FastifyReply, FastifyRequest } from "fastify";
import { nothingAt } from "../http/problem.ts";
import type { App, Services } from "../services.ts";

/** Vite puts what it names by a hash of its content below this folder; such a file never changes. */
const HASHED = `${sep}assets${sep}`;
const A_YEAR = "public, max-age=31536000, immutable";

/** What the page has for addresses besides those of environments. */
const PATHS = ["/", "/sign-in", "/invitation", "/reset", "/account", "/admin/:page", "/shared", "/shared/:grant"];

const isForPage = ({ method, url, headers }: FastifyRequest): boolean =>
  (method === "GET" || method === "HEAD") &&
  !/^\/(?:v1|assets)(?:\/|\?|$)/.test(url) &&
  headers.accept?.includes("text/html") === true;

/** The page, and the addresses that it routes by itself. */
export async function pageRoutes(app: App, { web, terminals }: Services): Promise<void> {
  const options = { config: { public: true }, schema: { hide: true } };
  if (!existsSync(join(web, "index.html"))) {
    const missing = (_request: unknown, reply: FastifyReply) =>
      reply
        .code(503)
        .type("text/plain; charset=utf-8")
        .header("cache-control", "no-store")
        .send(
          `The page has not been built: ${web} has no index.html.\nRun ./microterm up, or npm run build -w packages/web, and restart the server.\n`,
        );
    for (const path of [...PATHS, "/e/:env"]) app.get(path, options, missing);
    app.setNotFoundHandler((request) => {
      throw nothingAt(request);
    });
    return;
  }
  await app.register(async (scope) => {
    scope.addHook("onRoute", (route) => {
      route.config = { ...route.config, public: true };
      route.schema = { ...route.schema, hide: true };
    });
    await scope.register(staticFiles, {
      root: web,
      index: false,
      preCompressed: true,
      cacheControl: false,
      dotfiles: "ignore",
      setHeaders: (reply, path) => {
        reply.header("cache-control", path.includes(HASHED) ? A_YEAR : "no-store");
      },
    });
    const document = (name: string) => (_request: unknown, reply: FastifyReply) => {
      terminals.warm();
      return reply.sendFile(name);
    };
    for (const path of PATHS) scope.get(path, options, document("index.html"));
    // The same page, which begins to load its terminal at once.
    scope.get("/e/:env", options, document("environment.html"));
    // A person who mistyped an address sees a page; a program that asks for none sees a problem document.
    scope.setNotFoundHandler((request, reply) => {
      if (!isForPage(request)) throw nothingAt(request);
      return reply.code(404).sendFile("index.html");
    });
  });
}
