import { Readable } from "node:stream";
import type { Abortable, GuestAgent } from "@microterm/core";
import { ExtractedTar, FileEntry } from "@microterm/protocol";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { Identity } from "../../auth/authenticator.ts";
import { requestSignal } from "../../http/request-signal.ts";
import { GUEST_FILE_HEADERS } from "../../http/security-headers.ts";
import type { App, Services } from "../../services.ts";
import { EnvironmentParams, GET_ONLY, GuestPath, NoContent, problems, Switch, streamOf } from "../schemas.ts";

const FileList = z.strictObject({ entries: z.array(FileEntry), truncated: z.boolean() });
const PathQuery = z.strictObject({ path: GuestPath });
const UploadQuery = z.strictObject({
  path: GuestPath,
  /** Octal, as in chmod(1). */
  mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, "must be three octal digits")
    .transform((digits) => Number.parseInt(digits, 8))
    .optional(),
  modifiedAt: z.iso.datetime().optional(),
});
const RemoveQuery = z.strictObject({ path: GuestPath, recursive: Switch });
const Bytes = z.unknown().describe("Bytes");

interface Asking {
  readonly identity: Identity;
  readonly params: z.infer<typeof EnvironmentParams>;
}

const agentForFiles =
  ({ environments }: Services) =>
  ({ identity, params }: Asking) =>
    environments.agent(identity.actor, params.env, { action: "guest.files" });

export async function fileRoutes(app: App, services: Services): Promise<void> {
  const tags = ["files"];
  const base = "/v1/environments/:env/files";
  const params = EnvironmentParams;
  const agentFor = agentForFiles(services);
  const download = auditedCopy(services, "file.download");

  app.get(
    `${base}/stat`,
    {
      schema: {
        tags,
        summary: "A file's properties",
        params,
        querystring: PathQuery,
        response: { 200: FileEntry, ...problems },
      },
    },
    async (request, reply) => {
      const agent = await agentFor(request);
      return agent.stat(request.query.path, { signal: requestSignal(reply) });
    },
  );

  app.get(
    `${base}/list`,
    {
      schema: {
        tags,
        summary: "A folder's entries",
        params,
        querystring: PathQuery,
        response: { 200: FileList, ...problems },
      },
    },
    async (request, reply) => {
      const agent = await agentFor(request);
      const { entries, truncated } = await agent.list(request.query.path, { signal: requestSignal(reply) });
      return { entries: [...entries], truncated };
    },
  );

  app.post(
    `${base}/directory`,
    {
      schema: {
        tags,
        summary: "Make a folder and its parents",
        params,
        querystring: PathQuery,
        response: { 201: FileEntry, ...problems },
      },
    },
    async (request, reply) => {
      const agent = await agentFor(request);
      reply.code(201);
      return agent.makeDirectory(request.query.path, { signal: requestSignal(reply) });
    },
  );

  app.delete(
    base,
    {
      schema: {
        tags,
        summary: "Remove a file or folder",
        params,
        querystring: RemoveQuery,
        response: { 204: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      const { actor } = request.identity;
      const { path, recursive } = request.query;
      await services.environments.runAct(
        actor,
        request.params.env,
        { action: "file.remove", detail: { path } },
        async (id) => {
          services.requests.entered(id, reply.raw);
          const agent = await services.environments.agent(actor, id, { action: "guest.files" });
          await agent.removeFile(path, { recursive, signal: requestSignal(reply) });
        },
      );
      return reply.code(204).send(null);
    },
  );

  app.get(
    `${base}/content`,
    {
      ...GET_ONLY,
      schema: {
        tags,
        summary: "Download a file",
        params,
        querystring: PathQuery,
        response: streamOf("application/octet-stream", "The file's bytes"),
      },
    },
    async (request, reply) => {
      const { size, body } = await download(request, reply, (agent, path, options) => agent.read(path, options));
      if (size !== null) {
        reply.header("content-length", size);
        // What follows on the connection is the next answer: Node too holds this one to its length.
        reply.raw.strictContentLength = true;
      }
      return reply.headers(GUEST_FILE_HEADERS).type("application/octet-stream").send(stream(body));
    },
  );

  app.get(
    `${base}/tar`,
    {
      ...GET_ONLY,
      schema: {
        tags,
        summary: "Download a file or folder as a tar archive",
        params,
        querystring: PathQuery,
        response: streamOf("application/x-tar", "A tar archive"),
      },
    },
    async (request, reply) => {
      const body = await download(request, reply, (agent, path, options) => agent.readTar(path, options));
      return reply.headers(GUEST_FILE_HEADERS).type("application/x-tar").send(stream(body));
    },
  );

  await app.register(async (uploads) => uploadRoutes(uploads as App, services));
}

/** In a scope of their own, where a body of whatever type is a stream and not parsed. */
async function uploadRoutes(app: App, services: Services): Promise<void> {
  const base = "/v1/environments/:env/files";
  const tags = ["files"];
  const upload = auditedCopy(services, "file.upload");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));

  app.put(
    `${base}/content`,
    {
      schema: {
        tags,
        summary: "Upload a file; a broken upload changes nothing",
        consumes: ["application/octet-stream"],
        params: EnvironmentParams,
        querystring: UploadQuery,
        body: Bytes,
        response: { 201: FileEntry, ...problems },
      },
    },
    async (request, reply) => {
      const { mode, modifiedAt } = request.query;
      reply.code(201);
      return upload(request, reply, (agent, path, options) =>
        agent.write(path, bodyOf(request.raw), {
          ...options,
          ...(mode === undefined ? {} : { mode }),
          ...(modifiedAt === undefined ? {} : { modifiedUnixMs: Date.parse(modifiedAt) }),
        }),
      );
    },
  );

  app.put(
    `${base}/tar`,
    {
      schema: {
        tags,
        summary: "Extract a tar archive into a folder",
        consumes: ["application/x-tar", "application/octet-stream"],
        params: EnvironmentParams,
        querystring: PathQuery,
        body: Bytes,
        response: { 200: ExtractedTar, ...problems },
      },
    },
    (request, reply) =>
      upload(request, reply, (agent, path, options) => agent.writeTar(path, bodyOf(request.raw), options)),
  );
}

interface CopyRequest {
  readonly identity: Identity;
  readonly params: z.infer<typeof EnvironmentParams>;
  readonly query: { readonly path: string };
}

/** A copy that has its entries in the audit log. That of a download ends with its first byte: who asked for it may have it then. */
const auditedCopy =
  ({ environments, requests }: Services, action: "file.download" | "file.upload") =>
  <T>(
    request: CopyRequest,
    reply: FastifyReply,
    copy: (agent: GuestAgent, path: string, options: Abortable) => Promise<T>,
  ): Promise<T> => {
    const { actor } = request.identity;
    const { path } = request.query;
    return environments.runAct(actor, request.params.env, { action, detail: { path } }, async (id) => {
      requests.entered(id, reply.raw);
      const agent = await environments.agent(actor, id, { action: "guest.files" });
      return copy(agent, path, { signal: requestSignal(reply) });
    });
  };

const stream = (body: AsyncIterable<Uint8Array>): Readable => Readable.from(body, { objectMode: false });

/**
 * The request's bytes. Reading them does not destroy the request when the reader stops early (a full disk): its answer
 * still has to go out over the same socket.
 */
const bodyOf = (request: Readable): AsyncIterable<Uint8Array> => request.iterator({ destroyOnReturn: false });
