import { createHash } from "node:crypto";
import { environmentIdOfKey, idempotent, type WaitState } from "@microterm/core";
import { CreateEnvironment, Environment, EnvironmentState, Receipt, UpdateEnvironment } from "@microterm/protocol";
import { z } from "zod";
import { requestSignal } from "../../http/request-signal.ts";
import { systemClock } from "../../process/system-clock.ts";
import type { App, Services } from "../../services.ts";
import { count, EnvironmentParams, NoContent, problems } from "../schemas.ts";

const EnvironmentList = z.strictObject({ environments: z.array(Environment) });
const State = z.enum([...EnvironmentState.options, "gone"]);
const WaitQuery = z.strictObject({
  state: z.union([State, z.array(State).min(1).max(8)]).default("running"),
  timeoutMs: count(0, 600_000).default(30_000),
});
const IdempotencyHeaders = z.object({ "idempotency-key": z.string().min(1).max(128).optional() });

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** What is begun at once and goes on in the background. */
const ACTIONS = [
  ["start", "Boot a stopped or failed environment over its disk; a paused one is resumed"],
  ["stop", "Power off; the disk is kept. A paused one loses its memory"],
  ["pause", "Keep the memory on the host's disk and end the machine; UNSUPPORTED where the driver has no snapshots"],
  ["resume", "Go on where it was paused"],
] as const;

export function environmentRoutes(app: App, { environments, storage }: Services): void {
  const tags = ["environments"];

  app.post(
    "/v1/environments",
    {
      schema: {
        tags,
        summary: "Create an environment; it is claimed, restored or booted in the background",
        headers: IdempotencyHeaders,
        body: CreateEnvironment.nullish().describe("All members are optional"),
        response: { 201: Environment, ...problems },
      },
    },
    async (request, reply) => {
      const { actor } = request.identity;
      const { owner } = actor;
      const wanted = request.body ?? {};
      const key = request.headers["idempotency-key"];
      reply.code(201);
      if (key === undefined) return environments.create(actor, wanted);
      const fingerprint = sha256(`POST /v1/environments\n${JSON.stringify(Object.entries(wanted).sort())}`);
      const idempotency = { repository: storage.idempotency, clock: systemClock };
      const id = environmentIdOfKey(owner, key, sha256);
      const answer = await idempotent(idempotency, { owner, key, fingerprint }, async () => {
        const created = await environments.create(actor, wanted, { id });
        return { status: 201, body: JSON.stringify(created) };
      });
      // What an older version answered may lack a field of today: then the environment as it is now.
      const parsed = Environment.safeParse(JSON.parse(answer.body));
      return parsed.success ? parsed.data : environments.get(actor, id);
    },
  );

  app.get(
    "/v1/environments",
    { schema: { tags, summary: "List environments", response: { 200: EnvironmentList, ...problems } } },
    async (request) => ({ environments: [...(await environments.list(request.identity.actor))] }),
  );

  app.get(
    "/v1/environments/:env",
    {
      schema: {
        tags,
        summary: "One environment",
        params: EnvironmentParams,
        response: { 200: Environment, ...problems },
      },
    },
    (request) => environments.get(request.identity.actor, request.params.env),
  );

  app.get(
    "/v1/environments/:env/wait",
    {
      schema: {
        tags,
        summary: "Wait until an environment is in one of these states; 204 when it is gone and `gone` is one of them",
        params: EnvironmentParams,
        querystring: WaitQuery,
        response: { 200: Environment, 204: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      const { state, timeoutMs } = request.query;
      const states: WaitState[] = Array.isArray(state) ? state : [state];
      const options = { states, timeoutMs, signal: requestSignal(reply) };
      const reached = await environments.wait(request.identity.actor, request.params.env, options);
      return reached ?? reply.code(204).send(null);
    },
  );

  app.patch(
    "/v1/environments/:env",
    {
      schema: {
        tags,
        summary: "Change when an environment ends by itself and what it may reach; what is not said stays as it is",
        params: EnvironmentParams,
        body: UpdateEnvironment,
        response: { 200: Environment, ...problems },
      },
    },
    (request) => environments.update(request.identity.actor, request.params.env, request.body),
  );

  for (const [action, summary] of ACTIONS) {
    app.post(
      `/v1/environments/:env/${action}`,
      {
        schema: {
          tags,
          summary,
          params: EnvironmentParams,
          response: { 202: Environment, ...problems },
        },
      },
      async (request, reply) => {
        reply.code(202);
        return environments[action](request.identity.actor, request.params.env);
      },
    );
  }

  app.delete(
    "/v1/environments/:env",
    {
      schema: {
        tags,
        summary: "Destroy an environment and all that belongs to it; the receipt can be had again",
        params: EnvironmentParams,
        response: { 200: Receipt, ...problems },
      },
    },
    (request) => environments.destroy(request.identity.actor, request.params.env),
  );
}
