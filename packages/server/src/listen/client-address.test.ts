import type { IncomingMessage } from "node:http";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createClientAddresses } from "./client-address.ts";

const clients = createClientAddresses(["127.0.0.1", "10.0.0.0/8", "fd00::/8"]);
const request = (remoteAddress: string | undefined, headers: Readonly<Record<string, string | string[]>> = {}) =>
  ({
    socket: { remoteAddress },
    headersDistinct: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()])),
  }) as unknown as IncomingMessage;
const addressOf = (...given: Parameters<typeof request>) => clients.clientAddressOf(request(...given));

describe("a client's address", () => {
  it("is the peer's, whatever a peer says that is no trusted proxy", () => {
    expect(addressOf("198.51.100.7")).toBe("198.51.100.7");
    expect(addressOf("::ffff:198.51.100.7", { "x-forwarded-for": "203.0.113.1" })).toBe("198.51.100.7");
    expect(addressOf("2001:db8::1", { forwarded: "for=203.0.113.1" })).toBe("2001:db8::1");
    expect(addressOf(undefined, { "x-forwarded-for": "203.0.113.1" })).toBe("");
  });

  it.each<[string | string[], string]>([
    ["203.0.113.1", "203.0.113.1"],
    ["6.6.6.6, 203.0.113.1", "203.0.113.1"],
    ["6.6.6.6, 203.0.113.1, 10.1.1.1", "203.0.113.1"],
    [["6.6.6.6", "203.0.113.1,10.1.1.1"], "203.0.113.1"],
    ["10.1.1.1", "10.1.1.1"],
    ["203.0.113.1:4711", "203.0.113.1"],
    ["[2001:DB8::7]:4711", "2001:db8::7"],
    ["::ffff:203.0.113.1", "203.0.113.1"],
    ["6.6.6.6, <script>", "10.0.0.2"],
    ["6.6.6.6, unknown, 10.1.1.1", "10.1.1.1"],
    [" , ", "10.0.0.2"],
  ])("is the rightmost that no trusted proxy has: %j", (value, expected) => {
    expect(addressOf("10.0.0.2", { "x-forwarded-for": value })).toBe(expected);
  });

  it.each([
    ['for="[2001:db8::7]:47011";proto=https', "2001:db8::7"],
    ["for=6.6.6.6, For=203.0.113.1;by=10.0.0.2, proto=http;for=10.1.1.1", "203.0.113.1"],
    ["for=6.6.6.6, by=10.0.0.2", "10.0.0.2"],
    ["for=_hidden", "10.0.0.2"],
  ])("is read from Forwarded where there is nothing else: %j", (forwarded, expected) => {
    expect(addressOf("10.0.0.2", { forwarded })).toBe(expected);
    expect(addressOf("10.0.0.2", { forwarded, "x-forwarded-for": "192.0.2.1" })).toBe("192.0.2.1");
  });

  it("is always an address, and never one that stands left of the client's own", () => {
    const piece = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.constantFrom("10.0.0.9", "unknown", ""));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (left) => {
        const value = `${left.join(",")},203.0.113.1,10.1.1.1`;
        expect(addressOf("10.0.0.2", { "x-forwarded-for": value })).toBe("203.0.113.1");
      }),
    );
  });
});

it("a scheme is a trusted proxy's to tell", () => {
  const inClear = (...given: Parameters<typeof request>) => clients.isForwardedInClear(request(...given));
  expect(inClear("10.0.0.2", { "x-forwarded-proto": "http" })).toBe(true);
  expect(inClear("10.0.0.2", { "x-forwarded-proto": "https, WS" })).toBe(true);
  expect(inClear("10.0.0.2", { forwarded: "for=1.2.3.4;proto=http" })).toBe(true);
  expect(inClear("10.0.0.2", { "x-forwarded-proto": "http, https" })).toBe(false);
  expect(inClear("10.0.0.2")).toBe(false);
  expect(inClear("198.51.100.7", { "x-forwarded-proto": "http" })).toBe(false);
});
