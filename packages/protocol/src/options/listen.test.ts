import { describe, expect, it } from "vitest";
import {
  FleetAddress,
  ListenAddress,
  type ListenOptions,
  listenFaults,
  ProxyNetworks,
  PublicUrl,
  publicAddressOf,
} from "./listen.ts";

describe("an address to listen at", () => {
  it.each([
    ["0.0.0.0", { address: "0.0.0.0", port: null }],
    ["192.0.2.7:443", { address: "192.0.2.7", port: 443 }],
    ["::", { address: "::", port: null }],
    ["2001:db8::7", { address: "2001:db8::7", port: null }],
    ["[::]:8443", { address: "::", port: 8443 }],
  ])("is read from %s", (text, expected) => expect(ListenAddress.parse(text)).toEqual(expected));

  it.each(["", "eth0", "term.example.org", "256.0.0.1", "0.0.0.0:99999", "[::", "1.2.3.4:", "fe80::1%eth0", "*"])(
    "is not %j",
    (text) => expect(ListenAddress.safeParse(text).success).toBe(false),
  );
});

describe("where peers reach a server", () => {
  it.each([
    ["192.0.2.7:7690", { address: "192.0.2.7", port: 7690 }],
    ["[2001:db8::7]:7690", { address: "2001:db8::7", port: 7690 }],
    // As who does not know the family writes it.
    ["[192.0.2.7]:7690", { address: "192.0.2.7", port: 7690 }],
  ])("is read from %s", (text, expected) => expect(FleetAddress.parse(text)).toEqual(expected));

  it.each(["192.0.2.7", "0.0.0.0:7690", "[::]:7690", "term.example.org:7690", "192.0.2.7:0", "2001:db8::7"])(
    "is not %j",
    (text) => expect(FleetAddress.safeParse(text).success).toBe(false),
  );
});

describe("a public URL", () => {
  it.each([
    ["https://Term.Example.org/", "https://term.example.org"],
    ["https://term.example.org:443", "https://term.example.org"],
    ["https://term.example.org:8443", "https://term.example.org:8443"],
    ["https://[2001:db8::7]:8443", "https://[2001:db8::7]:8443"],
  ])("is an origin: %s", (text, expected) => expect(PublicUrl.parse(text)).toBe(expected));

  it.each([
    ...["http://term.example.org", "term.example.org", "https://", "https://a/b", "https://u@a", "https://a:0"],
    ...[
      "https://a:99999",
      "https://a?b",
      "https://a#b",
      "https://a b",
      "https://<b>",
      "https://\u202ea",
      "https://a\n",
    ],
    ...["https://localhost:8443", "https://a.localhost", "https://127.0.0.1:8443", "https://[::1]"],
    `https://${"a".repeat(300)}`,
  ])("is not %j", (text) => expect(PublicUrl.safeParse(text).success).toBe(false));
});

describe("trusted proxies", () => {
  it("are addresses and ranges of both families", () => {
    expect(ProxyNetworks.parse("127.0.0.1, 10.0.0.0/8,2001:db8::/64")).toEqual([
      ...["127.0.0.1", "10.0.0.0/8", "2001:db8::/64"],
    ]);
  });
  it.each(["", "10.0.0.0/8,", "0.0.0.0/0", "::/0", "::/00", "10.0.0.0/33", "proxy", "*", "10.0.0.1/8/8"])(
    "are not %j",
    (text) => expect(ProxyNetworks.safeParse(text).success).toBe(false),
  );
});

describe("options that belong together", () => {
  const url = "https://term.example.org";
  const everywhere = { address: "0.0.0.0", port: null };
  const pair = { tlsCert: "/c", tlsKey: "/k" };
  const of = (options: Partial<ListenOptions>) => ({ trustProxy: [], ...options });

  it.each<[Partial<ListenOptions>, ReturnType<typeof publicAddressOf>]>([
    [{}, null],
    [{ listen: { address: "127.0.0.1", port: null } }, null],
    [
      { listen: everywhere, ...pair, publicUrl: url },
      { address: "0.0.0.0", port: 443 },
    ],
    [
      { listen: everywhere, ...pair, publicUrl: `${url}:8443` },
      { address: "0.0.0.0", port: 8443 },
    ],
    [
      { listen: { address: "::", port: 1 }, ...pair, publicUrl: url, previewDomain: "previews.example.net" },
      { address: "::", port: 1 },
    ],
    [{ publicUrl: url, trustProxy: ["127.0.0.1"] }, null],
    [
      { listen: everywhere, publicUrl: url, trustProxy: ["10.0.0.2"] },
      { address: "0.0.0.0", port: 8080 },
    ],
    [{ publicUrl: url, trustProxy: ["127.0.0.1"], previewDomain: "previews.example.net:444" }, null],
  ])("fit: %j", (options, address) => {
    expect(listenFaults(of(options))).toEqual([]);
    expect(publicAddressOf(of(options))).toEqual(address);
  });

  it.each<[Partial<ListenOptions>, readonly RegExp[]]>([
    [{ listen: everywhere }, [/--listen 0\.0\.0\.0 needs TLS/]],
    [{ listen: { address: "127.0.0.2", port: null } }, [/--listen 127\.0\.0\.2 needs TLS/]],
    [{ listen: everywhere, publicUrl: url }, [/--listen .* needs TLS/, /--public-url needs TLS/]],
    [{ listen: everywhere, ...pair }, [/--public-url .* is missing/]],
    [{ trustProxy: ["10.0.0.2"] }, [/--public-url .* is missing/]],
    [{ tlsKey: "/k" }, [/two halves/, /need --listen/, /--public-url .* is missing/]],
    [
      { listen: everywhere, ...pair, publicUrl: url, previewDomain: "previews.example.org:444" },
      [/may not be of one domain/, /must have the same port/],
    ],
  ])("do not fit: %j", (options, faults) => {
    const found = listenFaults(of(options));
    expect(found).toHaveLength(faults.length);
    for (const [at, fault] of faults.entries()) expect(found[at]).toMatch(fault);
  });
});
