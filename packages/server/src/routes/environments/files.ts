import { Readable } from "node:stream";
import { ExtractedTar, FileEntry } from "@microterm/protocol";
import { z } from "zod";
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

export async function fileRoutes(app: App, services: Services): Promise<void> {
  const { environments } = services;
  const tags = ["files"];
  const base = "/v1/environments/:env/files";
  const params = EnvironmentParams;

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
      const agent = await environments.agent(request.identity.actor, request.params.env);
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
      const agent = await environments.agent(request.identity.actor, request.params.env);
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
      const agent = await environments.agent(request.identity.actor, request.params.env);
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
      const agent = await environments.agent(request.identity.actor, request.params.env);
      const { path, recursive } = request.query;
      await agent.removeFile(path, { recursive, signal: requestSignal(reply) });
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
      const agent = await environments.agent(request.identity.actor, request.params.env);
      const { size, body } = await agent.read(request.query.path, { signal: requestSignal(reply) });
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
      const agent = await environments.agent(request.identity.actor, request.params.env);
      const body = await agent.readTar(request.query.path, { signal: requestSignal(reply) });
      return reply.headers(GUEST_FILE_HEADERS).type("application/x-tar").send(stream(body));
    },
  );

  await app.register(async (uploads) => uploadRoutes(uploads as App, services));
}

/** In a scope of their own, where a body of whatever type is a stream and not parsed. */
async function uploadRoutes(app: App, { environments }: Services): Promise<void> {
  const base = "/v1/environments/:env/files";
  const tags = ["files"];
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
      const agent = await environments.agent(request.identity.actor, request.params.env);
      const { path, mode, modifiedAt } = request.query;
      reply.code(201);
      return agent.write(path, bodyOf(request.raw), {
        signal: requestSignal(reply),
        ...(mode === undefined ? {} : { mode }),
        ...(modifiedAt === undefined ? {} : { modifiedUnixMs: Date.parse(modifiedAt) }),
      });
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
    async (request, reply) => {
      const agent = await environments.agent(request.identity.actor, request.params.env);
      return agent.writeTar(request.query.path, bodyOf(request.raw), { signal: requestSignal(reply) });
    },
  );
}

const stream = (body: AsyncIterable<Uint8Array>): Readable => Readable.from(body, { objectMode: false });

/**
 * The request's bytes. Reading them does not destroy the request when the reader stops early (a full disk): its answer
 * still has to go out over the same socket.
 */
const bodyOf = (request: Readable): AsyncIterable<Uint8Array> => request.iterator({ destroyOnReturn: false });
