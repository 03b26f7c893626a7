/** Each route and each WebSocket there is, asked by everybody who must not have what he asks for. */
import { describe, expect, it } from "vitest";
import { WEB_SOCKETS } from "../../packages/server/src/terminal/clients/upgrade.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { braced, walkRoutes } from "./route-walk.ts";
import { ROUTES, WEB_SOCKETS_ALONE, WEB_SOCKETS_EXPECTED } from "./routes.ts";

let server: TestServer;

walkRoutes(
  async () => {
    server = await startServer();
    return { asked: server, holder: server, dispose: () => server.dispose() };
  },
  () => true,
);

it("knows what is expected of each route and WebSocket there is", async () => {
  const { paths } = (await server.call("GET", "/openapi.json")).json;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect([...Object.keys(ROUTES), ...WEB_SOCKETS_ALONE].sort()).toEqual(operations.sort());
  expect(Object.keys(WEB_SOCKETS_EXPECTED).sort()).toEqual(
    Object.values(WEB_SOCKETS)
      .map(({ route }) => braced(route))
      .sort(),
  );
});

describe("what anybody may ask", () => {
  it.each(
    Object.entries(ROUTES)
      .filter(([, entry]) => entry === "public")
      .map(([operation]) => operation),
  )("%s is not asked by another site's page, nor shown in a frame", async (operation) => {
    const [method = "", path = ""] = operation.split(" ");
    const answer = await server.call(method, path, { token: null, headers: { origin: "http://evil.example" } });
    if (path.startsWith("/v1/")) expect([answer.status, answer.json.code]).toEqual([403, "FORBIDDEN_ORIGIN"]);
    expect(answer.headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
  });
});
