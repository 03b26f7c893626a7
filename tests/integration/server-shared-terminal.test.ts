import { FRAME } from "@microterm/protocol";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addOwner } from "../../support/second-owner.ts";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { accept, codeOf, look, openTerminal, share } from "../../support/sharing.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

const CAT = "stty raw -echo; printf ready; exec cat";

let server: TestServer;
let id: string;
let bob: { readonly token: string };
beforeAll(async () => {
  server = await startServer();
  ({ id } = await server.environment());
  bob = await addOwner(server.data, "bobbobbob");
});
afterAll(async () => expect(await server?.dispose()).toEqual([]));

const own = (terminal: string, options = {}) =>
  new TerminalClient(server, id, terminal, { presence: true, ...options }).opened();

/** The size that it was told last. */
const sizeOf = ({ frames, keyframes }: TerminalClient): string => {
  const told = frames.filter((frame) => frame.startsWith("RESIZE")).at(-1);
  const { cols, rows } = keyframes.at(-1) ?? {};
  return told?.split(" ").slice(2).join(" ") ?? `${cols} ${rows}`;
};

describe("who looks on", () => {
  it("changes nothing, whatever frames it makes", async () => {
    const terminal = await openTerminal(server, id, CAT);
    const owner = await own(terminal);
    owner.resize(100, 30);
    owner.type("x");
    await owner.until("x");
    const viewer = await look(server, await accept(server, codeOf(await share(server, id, terminal)), bob)).opened();
    viewer.type("typed");
    viewer.reply("\x1b[I");
    viewer.reply("\x1b[1;1R");
    viewer.resize(20, 5);
    viewer.appearance({ foreground: "#010203", background: "#010203", cursor: "#010203" });
    viewer.ping(7);
    await poll("PONG", () => viewer.frames.includes("PONG 7"));
    owner.type("y\x1b]10;?\x07");
    await owner.until("y");
    await poll("the answer", () => owner.text.includes("rgb:"));
    expect(owner.text).not.toContain("typed");
    expect(owner.text).not.toContain("rgb:0101");
    expect(owner.text).not.toContain("\x1b[I");
    expect(sizeOf(owner)).toBe("100 30");
    expect(viewer.frames.filter((frame) => frame === "NOTICE read-only")).toHaveLength(1);
    const bad = await look(server, await accept(server, codeOf(await share(server, id, terminal)), bob)).opened();
    bad.socket.send(Buffer.of(FRAME.keyboard, 2));
    expect((await bad.ended).code).toBe(1002);
    await Promise.all([owner.close(), viewer.close()]);
  });

  it("is shut out or ignored, whatever bytes it sends", async () => {
    const terminal = await openTerminal(server, id, CAT);
    const owner = await own(terminal);
    await owner.until("ready");
    const letIn = await accept(server, codeOf(await share(server, id, terminal)), bob);
    const message = fc.tuple(fc.constantFrom(...Object.values(FRAME), 0, 0xff), fc.uint8Array({ maxLength: 40 }));
    const settings = { numRuns: 40, seed: 38 };
    for (const messages of fc.sample(fc.array(message, { maxLength: 12 }), settings)) {
      const viewer = await look(server, letIn).opened();
      for (const [type, bytes] of messages) viewer.socket.send(Buffer.of(type, ...bytes));
      viewer.ping(38);
      await poll("an answer, or the end", () => viewer.frames.includes("PONG 38") || viewer.socket.readyState === 3);
      if (viewer.socket.readyState === 3) expect((await viewer.ended).code).toBe(1002);
      else await viewer.close();
    }
    owner.type("still here");
    await owner.until("still here");
    expect(owner.text).toBe("readystill here");
    expect(sizeOf(owner)).toBe("80 24");
    await owner.close();
  });

  it("begins with the visible screen: no row above it, no title, no output of before", async () => {
    const script =
      "printf '\\033]2;SECRETTITLE\\007\\033]7;file:///SECRETDIR\\007'; for i in $(seq 200); do echo CANARY$i; done; seq 24; printf ready; exec cat";
    const terminal = await openTerminal(server, id, script);
    const owner = await own(terminal);
    await owner.until("ready");
    const shown = async (scrollback: boolean, options = {}) => {
      const letIn = await accept(server, codeOf(await share(server, id, terminal, { scrollback })), bob);
      const viewer = await look(server, letIn, options).opened();
      await poll("a keyframe", () => viewer.keyframes.length > 0);
      const [{ content, state } = { content: "", state: null }] = viewer.keyframes;
      return { viewer, letIn, text: `${content}${JSON.stringify(state)}${viewer.text}${JSON.stringify(viewer.ready)}` };
    };
    for (const from of [null, 0]) {
      const { text, viewer } = await shown(false, { from });
      expect(text).toContain("ready");
      expect(text).not.toMatch(/CANARY|SECRET/);
      await viewer.close();
    }
    const whole = await shown(true, { from: 0 });
    expect(whole.text).toContain("CANARY100");
    expect(whole.text).not.toContain("SECRET");
    expect(whole.viewer.frames.filter((frame) => frame.startsWith("KEYFRAME"))).toHaveLength(1);
    owner.type("more");
    await whole.viewer.until("more");
    // What it was shown it goes on from.
    const at = whole.viewer.offset - 2n;
    await whole.viewer.close();
    const back = await look(server, whole.letIn, { from: at }).opened();
    await back.until("re");
    expect([back.keyframes.length, back.text]).toEqual([0, "re"]);
    await Promise.all([back.close(), owner.close()]);
  });

  it("is shown nothing of before either where nobody has looked at the terminal yet", async () => {
    const script = "stty raw -echo; seq -f CANARY%.0f 40000; seq 24; printf ready; exec cat";
    const terminal = await openTerminal(server, id, script);
    const path = `/v1/environments/${id}/terminals`;
    await poll("the output", async () => {
      const { terminals } = await server.ok("GET", path);
      return terminals.some(
        // All of it: what comes after a viewer is let in is theirs to see.
        (one: { id: string; endOffset: string }) => one.id === terminal && Number(one.endOffset) >= 468_962,
      );
    });
    const viewer = await look(server, await accept(server, codeOf(await share(server, id, terminal)), bob)).opened();
    await poll("a keyframe", () => viewer.keyframes.length > 0);
    viewer.ping(1);
    await poll("PONG", () => viewer.frames.includes("PONG 1"));
    const [{ content } = { content: Buffer.of() }] = viewer.keyframes;
    expect(content.toString()).toContain("ready");
    expect(content.toString() + viewer.text).not.toContain("CANARY");
    await viewer.close();
  });

  it("is waited for by nobody, and is shown the screen again once they keep up", async () => {
    const flood = "stty raw -echo; printf ready; head -c 1 >/dev/null; seq 600000; printf END; exec cat";
    const terminal = await openTerminal(server, id, flood);
    const owner = await own(terminal, { keep: false });
    const letIn = await accept(server, codeOf(await share(server, id, terminal)), bob);
    const slow = await look(server, letIn, { acknowledge: false }).opened();
    await poll("the screen", () => slow.keyframes.length === 1);
    owner.type("g");
    await poll("the flood's end", () => owner.received > 4_088_000);
    expect(owner.jumps).toEqual([]);
    expect(slow.received).toBeLessThan(700_000);
    slow.acknowledge(slow.offset);
    await poll("the screen again", () => slow.keyframes.length > 1);
    await poll("its end", () => {
      // A busy host's screen may have been some way from the end then.
      slow.acknowledge(slow.offset);
      return `${slow.keyframes.at(-1)?.content}${slow.text}`.includes("END");
    });
    expect(slow.frames).not.toContain("NOTICE screen-cut");
    await Promise.all([owner.close(), slow.close()]);
  });

  it("hears of no bell, title, directory or prompt", async () => {
    const terminal = await openTerminal(server, id, CAT);
    const owner = await own(terminal);
    const viewer = await look(server, await accept(server, codeOf(await share(server, id, terminal)), bob)).opened();
    owner.type("\x07\x1b]2;t\x07\x1b]7;file:///d\x07end");
    await viewer.until("end");
    await poll("events", () => owner.events.length >= 3);
    viewer.ping(1);
    await poll("PONG", () => viewer.frames.includes("PONG 1"));
    expect(viewer.events).toEqual([]);
    await Promise.all([owner.close(), viewer.close()]);
  });

  it("may be twenty of twenty sizes, and the terminal keeps its own", async () => {
    const terminal = await openTerminal(server, id, CAT);
    const owner = await own(terminal);
    owner.resize(90, 20);
    owner.type("x");
    await owner.until("x");
    const code = codeOf(await share(server, id, terminal, { uses: 20, withoutAccount: true }));
    const viewers = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const viewer = await look(server, await accept(server, code, { name: `viewer ${n}` })).opened();
        viewer.resize(10 + n, 5 + n);
        return viewer;
      }),
    );
    owner.type("z");
    await Promise.all(viewers.map((viewer) => viewer.until("z")));
    for (const client of [owner, ...viewers]) expect(sizeOf(client)).toBe("90 20");
    await poll("all to be named", () => owner.presences.at(-1)?.count === 21);
    await Promise.all([owner, ...viewers].map((client) => client.close()));
  });
});

describe("the keyboard", () => {
  it("is asked for, given, and taken back while keys come", async () => {
    const terminal = await openTerminal(server, id, CAT);
    const owner = await own(terminal);
    await owner.until("ready");
    const letIn = await accept(server, codeOf(await share(server, id, terminal)), bob);
    const viewer = await look(server, letIn).opened();
    const seen = () => owner.presences.at(-1)?.people.find(({ grant }) => grant === letIn.grant);
    viewer.keyboard(true);
    await poll("the wish", () => seen()?.isAsking === true);
    expect(seen()).toMatchObject({ name: "bobbobbob", isVerified: true, role: "viewer", isLookIn: false });
    const path = `/v1/environments/${id}/grants/${letIn.grant}`;
    expect(await server.ok("PATCH", path, { role: "editor" })).toMatchObject({ role: "editor", isAsking: false });
    await poll("the keyboard", () => viewer.frames.includes("NOTICE keyboard-given"));
    viewer.type("hello");
    await owner.until("hello");
    await poll("typing to be seen", () => seen()?.isTyping === true && seen()?.role === "editor");
    const typing = setInterval(() => viewer.socket.readyState === 1 && viewer.type("k"), 1);
    await owner.until("kkkk");
    await server.ok("PATCH", path, { role: "viewer" });
    await poll("the end of it", () => viewer.frames.includes("NOTICE keyboard-taken"));
    owner.type("|");
    await owner.until("|");
    viewer.ping(3);
    await poll("PONG", () => viewer.frames.includes("PONG 3"));
    clearInterval(typing);
    owner.type("!");
    await owner.until("!");
    expect(owner.text.slice(owner.text.indexOf("|"))).toBe("|!");
    await Promise.all([owner.close(), viewer.close()]);
  });

  it("of a share that gives it is laid down and had again, and the size follows who types", async () => {
    const terminal = await openTerminal(server, id, CAT);
    const owner = await own(terminal);
    const editor = await look(
      server,
      await accept(server, codeOf(await share(server, id, terminal, { role: "editor" })), bob),
    ).opened();
    expect(editor.ready?.role).toBe("editor");
    editor.resize(70, 17);
    owner.type("o");
    await editor.until("o");
    expect(sizeOf(editor)).toBe("80 24");
    editor.type("e");
    await owner.until("e");
    await poll("the size", () => sizeOf(owner) === "70 17");
    editor.keyboard(false);
    await poll("no keyboard", () => editor.frames.includes("NOTICE keyboard-taken"));
    editor.keyboard(true);
    await poll("the keyboard", () => editor.frames.includes("NOTICE keyboard-given"));
    await Promise.all([owner.close(), editor.close()]);
  });
});
