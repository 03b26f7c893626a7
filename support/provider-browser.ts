/** A browser that goes to a provider and back, as far as HTTP goes: it keeps cookies of each site, and follows redirects. */
import { expect } from "vitest";
import { type Answer, send, type TestServer } from "./server.ts";

const PAGE = { accept: "text/html,application/xhtml+xml" };

export interface ProviderBrowser {
  /** Asks for a page as a navigation does, without following where it leads. */
  visit(url: string): Promise<Answer>;
  /** As the page's own script. */
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** From the server's address of a sign-in to that with which the provider leads back, to which they are signed out before. */
  answerOf(begin: string, who: string): Promise<string>;
  /** All of a sign-in. Resolves with the answer of the last step that there was. */
  signIn(who: string, to?: string): Promise<Answer>;
}

export function openProviderBrowser(server: TestServer): ProviderBrowser {
  const jars = new Map<string, Map<string, string>>();
  let key: string | null = null;

  async function ask(url: string, method: string, headers: Readonly<Record<string, string>>, body?: unknown) {
    const { origin } = new URL(url);
    const jar = jars.get(origin) ?? new Map<string, string>();
    jars.set(origin, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const sent = { ...headers, ...(cookie === "" ? {} : { cookie }) };
    const answer = await send(url, method, { headers: sent, ...(body === undefined ? {} : { body }) });
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "") jar.delete(name);
      else jar.set(name, value);
    }
    return answer;
  }

  const visit = (url: string) => ask(url, "GET", PAGE);
  const browser: ProviderBrowser = {
    visit,
    async call(method, path, body) {
      const session = key === null ? {} : { "x-microterm-session": key };
      const answer = await ask(server.url + path, method, { origin: server.url, ...session }, body);
      if (typeof answer.json?.key === "string") key = answer.json.key;
      return answer;
    },
    async answerOf(begin, who) {
      for (const origin of jars.keys()) if (origin !== server.url) jars.delete(origin);
      let url = begin;
      for (let step = 0; step < 8; step++) {
        const next = (await visit(url)).headers.location;
        if (next === undefined) throw new Error(`${url} leads nowhere`);
        url = new URL(next, url).href;
        if (url.startsWith(server.url)) return url;
        if (url.includes("/sign-in/") && !url.includes("?")) url += `?who=${encodeURIComponent(who)}`;
      }
      throw new Error("the provider leads back at no time");
    },
    async signIn(who, to = "/") {
      const path = `/v1/sign-in/oidc?return=${encodeURIComponent(to)}`;
      const begun = await visit(server.url + path);
      if (begun.status !== 302) return begun;
      const back = await visit(await browser.answerOf(begun.headers.location ?? "", who));
      if (back.status !== 303) return back;
      const page = new URL(back.headers.location ?? "", server.url);
      expect([page.origin, page.pathname, page.searchParams.get("to")]).toEqual([server.url, "/sign-in", to]);
      const token = new URLSearchParams(page.hash.slice(1)).get("token");
      return browser.call("POST", "/v1/session", { token });
    },
  };
  return browser;
}
