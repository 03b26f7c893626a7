import { PlatformError } from "@microterm/protocol";
import { z } from "zod";
import type { App, Services } from "../services.ts";
import { problems } from "./schemas.ts";

const Status = z.strictObject({ status: z.literal("ok") });

export function healthRoutes(app: App, { authenticator, readiness }: Services): void {
  const schema = { tags: ["host"], security: [], response: { 200: Status, ...problems } };
  app.get("/healthz", { config: { public: true }, schema: { ...schema, summary: "The process lives" } }, () => ({
    status: "ok" as const,
  }));
  app.get(
    "/readyz",
    { config: { public: true }, schema: { ...schema, summary: "Requests can be served" } },
    async (request) => {
      try {
        await readiness.check();
      } catch (error) {
        // What is away, and what the system said of it, is for who may ask; anybody on this host may ask here.
        await authenticator.authenticate(request.raw).catch(() => {
          throw new PlatformError("HOST_DAEMON_UNAVAILABLE", "The server is not ready.");
        });
        throw error;
      }
      return { status: "ok" as const };
    },
  );
}
