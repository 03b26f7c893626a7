import type { App, Services } from "../services.ts";

/** The document is made when somebody asks for it, and kept as text: the generator costs more memory than the routes. */
export function openApiRoutes(app: App, { describeApi }: Services): void {
  let text: Promise<string> | undefined;
  app.get("/openapi.json", { config: { public: true }, schema: { hide: true } }, async (_request, reply) => {
    text ??= describeApi().catch((error: unknown) => {
      text = undefined;
      throw error;
    });
    return reply.type("application/json").send(await text);
  });
}
