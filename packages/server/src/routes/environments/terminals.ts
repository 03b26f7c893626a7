import { AttendedTerminal, CreateTerminal, Terminal } from "@microterm/protocol";
import { z } from "zod";
import type { App, Services } from "../../services.ts";
import { EnvironmentParams, NoContent, problems, TerminalParams } from "../schemas.ts";

const NOBODY = { people: [], count: 0 };
const TerminalList = z.strictObject({ terminals: z.array(AttendedTerminal) });

export function terminalRoutes(app: App, { environments, terminals }: Services): void {
  const tags = ["terminals"];

  app.get(
    "/v1/environments/:env/terminals",
    {
      schema: {
        tags,
        summary: "List terminals, and who is at them",
        params: EnvironmentParams,
        response: { 200: TerminalList, ...problems },
      },
    },
    async (request) => {
      const { actor } = request.identity;
      const id = await environments.locate(actor, request.params.env, "environment.inspect");
      const there = await environments.terminals(actor, id);
      const attended = there.map(async (terminal) => {
        const hub = await terminals.find(id, terminal.id);
        return { ...terminal, presence: hub?.presence.current ?? NOBODY };
      });
      return { terminals: await Promise.all(attended) };
    },
  );

  app.post(
    "/v1/environments/:env/terminals",
    {
      schema: {
        tags,
        summary: "Open a terminal",
        params: EnvironmentParams,
        body: CreateTerminal.nullish().describe("All members are optional"),
        response: { 201: Terminal, ...problems },
      },
    },
    async (request, reply) => {
      reply.code(201);
      const wanted = request.body ?? CreateTerminal.parse({});
      return environments.openTerminal(request.identity.actor, request.params.env, wanted);
    },
  );

  app.delete(
    "/v1/environments/:env/terminals/:terminal",
    {
      schema: {
        tags,
        summary: "Hang up a terminal and forget its output",
        params: TerminalParams,
        response: { 204: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      const { env, terminal } = request.params;
      const { actor } = request.identity;
      const id = await environments.locate(actor, env, "terminal.use");
      await environments.closeTerminal(actor, env, terminal);
      terminals.forget(id, terminal);
      return reply.code(204).send(null);
    },
  );
}
