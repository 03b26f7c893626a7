import { z } from "zod";
import type { App, Services } from "../services.ts";
import { problems } from "./schemas.ts";

const Status = z.strictObject({ status: z.literal("ok") });

export function healthRoutes(app: App, { readiness }: Services): void {
  const schema = { tags: ["host"], response: { 200: Status, ...problems } };
  app.get("/healthz", { config: { public: true }, schema: { ...schema, summary: "The process lives" } }, () => ({
    status: "ok" as const,
  }));
  app.get(
    "/readyz",
    { config: { public: true }, schema: { ...schema, summary: "Requests can be served" } },
    async () => {
      await readiness.check();
      return { status: "ok" as const };
    },
  );
}
