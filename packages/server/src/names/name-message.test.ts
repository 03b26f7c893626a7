import { type Answer, decode, encode, type Packet } from "dns-packet";
import { describe, expect, it } from "vitest";
import { edns, MessageError, type NameRecord, parseMessage, readQuery, writeAnswer } from "./name-message.ts";

const query = (name: string, type: string, more: Partial<Packet> = {}): Buffer =>
  encode({ type: "query", id: 7, flags: 0x100, questions: [{ name, type: type as "A" }], ...more });
const addresses = (count: number): NameRecord[] =>
  Array.from({ length: count }, (_, number) => ({
    ...{ name: "a.example.com", type: "A", class: "IN", ttl: 60 },
    data: `93.184.0.${number}`,
  }));

describe("a guest's query", () => {
  it("is read with what its answer may be", () => {
    expect(readQuery(query("WWW.Example.com", "A"), "udp")).toMatchObject({
      ...{ id: 7, question: { name: "www.example.com", type: "A" }, wantsRecursion: true, maxBytes: 512 },
    });
    const sizes = [100, 600, 1232, 65_535].map((udpPayloadSize) => {
      const additionals = [{ ...edns(), udpPayloadSize } as Answer];
      return readQuery(query("a.example.com", "A", { additionals }), "udp").maxBytes;
    });
    expect(sizes).toEqual([512, 600, 1232, 1232]);
    expect(readQuery(query("a.example.com", "A"), "tcp").maxBytes).toBe(4096);
  });

  it("of IPv6, SVCB and HTTPS has an empty answer, of other types none", () => {
    const kinds = (type: string) => {
      const { question, hasEmptyType } = readQuery(query("a.example.com", type), "udp");
      return [question?.type ?? null, hasEmptyType];
    };
    for (const type of ["A", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"])
      expect(kinds(type)).toEqual([type, false]);
    for (const type of ["AAAA", "UNKNOWN_64", "UNKNOWN_65"]) expect(kinds(type)).toEqual([null, true]);
    for (const type of ["UNKNOWN_255", "AXFR", "NULL", "DNSKEY", "UNKNOWN_1000"])
      expect(kinds(type)).toEqual([null, false]);
  });

  it("with anything but one question about a plain name is refused", () => {
    const two = { questions: [{ name: "a.b", type: "A" } as const, { name: "c.d", type: "A" } as const] };
    for (const wrong of [
      ...[Buffer.alloc(0), Buffer.alloc(11), Buffer.alloc(12), query("a.b", "A", { type: "response" })],
      ...[query("a.b", "A", two), query("a.b", "A", { answers: addresses(1) }), query("a b.example.com", "A")],
      ...[query("a\0b.example.com", "A"), query("ä.example.com", "A"), query("a.b", "A").subarray(0, 14)],
    ]) {
      expect(() => readQuery(wrong, "udp")).toThrow(MessageError);
    }
  });
});

it("a header that promises thousands of records costs nothing", () => {
  const message = query("a.b", "A");
  message.writeUInt16BE(65_535, 10);
  expect(() => parseMessage(message)).toThrow(/65536 records in \d+ bytes/);
});

describe("an answer", () => {
  it("repeats id and question, and has an OPT record where the query had one", () => {
    const asked = readQuery(query("A.example.com", "A", { additionals: [edns()] }), "udp");
    const { id, questions, answers, additionals, flag_ra, flag_rd, flag_qr } = decode(
      writeAnswer(asked, 0, addresses(1)),
    );
    expect({ id, flag_ra, flag_rd, flag_qr }).toEqual({ id: 7, flag_ra: true, flag_rd: true, flag_qr: true });
    expect(questions).toMatchObject([{ name: "A.example.com", type: "A" }]);
    expect(answers).toMatchObject([{ data: "93.184.0.0", ttl: 60 }]);
    expect(additionals).toMatchObject([{ type: "OPT", udpPayloadSize: 1232 }]);
    expect(decode(writeAnswer(readQuery(query("a.b", "A"), "udp"), 3)).additionals).toEqual([]);
  });

  it("that is too long is cut off by UDP, and shortened by TCP", () => {
    const byUdp = writeAnswer(readQuery(query("a.example.com", "A"), "udp"), 0, addresses(200));
    expect([decode(byUdp).flag_tc, decode(byUdp).answers]).toEqual([true, []]);
    const byTcp = writeAnswer(readQuery(query("a.example.com", "A"), "tcp"), 0, addresses(200));
    expect(byTcp.length).toBeLessThanOrEqual(4096);
    expect([decode(byTcp).flag_tc, decode(byTcp).answers?.length]).toEqual([false, 100]);
  });
});
