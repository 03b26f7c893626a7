import { Recording, SetRecording } from "@microterm/protocol";
import type { App, Services } from "../../services.ts";
import { GET_ONLY, NoContent, problems, streamOf, TerminalParams } from "../schemas.ts";

export function recordingRoutes(app: App, { environments, terminals, requests }: Services): void {
  const tags = ["recordings"];
  const params = TerminalParams;
  const base = "/v1/environments/:env/terminals/:terminal/recording";

  app.get(
    base,
    { schema: { tags, summary: "A terminal's recording", params, response: { 200: Recording, ...problems } } },
    async (request) => {
      const id = await environments.locate(request.identity.actor, request.params.env, "terminal.view");
      const { terminal } = request.params;
      return terminals.recordings.status(id, terminal, await terminals.find(id, terminal));
    },
  );

  app.put(
    base,
    {
      schema: {
        tags,
        summary: "Record a terminal's output from now on, or no more",
        params,
        body: SetRecording,
        response: { 200: Recording, ...problems },
      },
    },
    async (request) => {
      const { env, terminal } = request.params;
      const { enabled } = request.body;
      const act = { action: "recording.changed", detail: { terminal, enabled } } as const;
      return environments.runAct(request.identity.actor, env, act, async (id) => {
        if (enabled) await terminals.recordings.enable(id, terminal, await terminals.open(id, terminal));
        else await terminals.recordings.disable(id, terminal, await terminals.find(id, terminal));
        return terminals.recordings.status(id, terminal, await terminals.find(id, terminal));
      });
    },
  );

  app.get(
    `${base}/content`,
    {
      ...GET_ONLY,
      schema: {
        tags,
        summary: "The recording, as far as it has come",
        params,
        response: streamOf("application/x-asciicast", "asciicast v3"),
      },
    },
    async (request, reply) => {
      const { env, terminal } = request.params;
      const act = { action: "recording.download", detail: { terminal } } as const;
      const { actor } = request.identity;
      const { id, size, stream } = await environments.runAct(actor, env, act, async (id) => {
        requests.entered(id, reply.raw);
        await environments.locate(actor, id, "terminal.view");
        return { id, ...(await terminals.recordings.content(id, terminal)) };
      });
      reply.header("content-type", "application/x-asciicast");
      reply.header("content-disposition", `attachment; filename="${id}-${terminal}.cast"`);
      reply.header("content-length", size);
      return reply.send(stream());
    },
  );

  app.delete(
    base,
    { schema: { tags, summary: "Remove a recording", params, response: { 204: NoContent, ...problems } } },
    async (request, reply) => {
      const { env, terminal } = request.params;
      const act = { action: "recording.removed", detail: { terminal } } as const;
      await environments.runAct(request.identity.actor, env, act, async (id) =>
        terminals.recordings.remove(id, terminal, await terminals.find(id, terminal)),
      );
      return reply.code(204).send(null);
    },
  );
}
