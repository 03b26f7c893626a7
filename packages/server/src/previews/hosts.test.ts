import type { IncomingMessage } from "node:http";
import { EnvironmentId } from "@microterm/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPreviewHosts, type PreviewHosts, type PreviewHostsOptions } from "./hosts.ts";

const environment = EnvironmentId.parse("abcdefghijk1");
const make = (over: Partial<PreviewHostsOptions> = {}) =>
  createPreviewHosts({ port: () => 7681, isLoopbackOurs: () => true, allowed: [], domain: null, ...over });
const find = (hosts: PreviewHosts, host: string | undefined) => hosts.of({ headers: { host } } as IncomingMessage);

describe("a preview's host", () => {
  it("is one of localhost with the server's port, or a tunnel's", () => {
    const hosts = make({ allowed: ["localhost:8080", "127.0.0.1:9090", "term.example.org", "localhost"] });
    for (const near of [":7681", ":8080", ":9090", ""]) {
      const authority = `3000-${environment}.localhost${near}`;
      expect(find(hosts, authority.toUpperCase())).toEqual({ environment, port: 3000, authority, scheme: "http" });
    }
    const others = ["term.example.org", "localhost:7682", "localhost.:7681", "localhost:7681.evil", "127.0.0.1:7681"];
    for (const suffix of others) expect(find(hosts, `3000-${environment}.${suffix}`)).toBeNull();
    for (const label of ["0", "65536", "03000", "a", ""]) {
      expect(find(hosts, `${label}-${environment}.localhost:7681`)).toBeNull();
    }
    expect(find(hosts, undefined)).toBeNull();
    expect(find(make({ isLoopbackOurs: () => false }), `3000-${environment}.localhost:7681`)).toBeNull();
  });

  it("is found again where it was made, with the port that the browser uses", () => {
    const target = { environment, port: 3000 };
    const hosts = make({ allowed: ["localhost:8080"] });
    for (const [page, origin] of [
      ["127.0.0.1:7681", `http://3000-${environment}.localhost:7681`],
      ["localhost:8080", `http://3000-${environment}.localhost:8080`],
      ["[::1]:7681", `http://3000-${environment}.localhost:7681`],
    ]) {
      expect(hosts.originOf(target, page)).toBe(origin);
      expect(find(hosts, new URL(origin ?? "").host)).toMatchObject(target);
    }
    expect(hosts.originOf(target, "term.example.org")).toBeNull();
    expect(hosts.addressesFor("term.example.org")).toEqual({ kind: "none", obstacle: "no-domain" });
  });

  it("is below the configured domain, where there is one, and https there", () => {
    const hosts = make({ domain: "previews.example.net", isLoopbackOurs: () => false });
    const origin = `https://3000-${environment}.previews.example.net`;
    expect(hosts.originOf({ environment, port: 3000 }, "term.example.org")).toBe(origin);
    expect(find(hosts, new URL(origin).host)).toMatchObject({ port: 3000, scheme: "https" });
    expect(find(hosts, `3000-${environment}.x.previews.example.net`)).toBeNull();
  });

  it("is nothing else, whatever a client sends", () => {
    const hosts = make();
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (host) => {
        expect(find(hosts, host)).toBeNull();
      }),
    );
  });
});
