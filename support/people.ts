import type { Answer, Call, TestServer } from "./server.ts";

/** Of no real account, and in no list. */
export const PASSWORD = "stapled-heron-under-6-lamps";

/** A browser: it keeps its cookies, and sends the key and the origin that a page sends. */
export interface Browser {
  /** As a page of this browser sends it. */
  readonly headers: Readonly<Record<string, string>>;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
}

export interface OpenBrowser {
  readonly userAgent?: string;
  /** Where its requests come from: one of this host's own loopback addresses. */
  readonly from?: string;
}

const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

export function openBrowser(server: TestServer, { userAgent = FIREFOX, from }: OpenBrowser = {}): Browser {
  const cookies = new Map<string, string>();
  let key: string | null = null;
  const browser: Browser = {
    get headers() {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      return {
        ...(cookie === "" ? {} : { cookie }),
        ...(key === null ? {} : { "x-microterm-session": key }),
        origin: server.url,
        "user-agent": userAgent,
      };
    },
    async call(method, path, body) {
      const call: Call = { token: null, headers: browser.headers, ...(body === undefined ? {} : { body }) };
      const answer = await server.call(method, path, from === undefined ? call : { ...call, from });
      for (const line of answer.headers["set-cookie"] ?? []) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        if (value === "") cookies.delete(name);
        else cookies.set(name, value);
      }
      if (typeof answer.json?.key === "string") key = answer.json.key;
      return answer;
    },
  };
  return browser;
}

export type Person = Browser & { readonly id: string; readonly name: string };

/** Makes an account by an invitation, as a person does, in a browser of its own. */
export async function invite(server: TestServer, name: string, role = "member"): Promise<Person> {
  const { code } = await server.ok("POST", "/v1/invitations", { role });
  const browser = openBrowser(server);
  const answer = await browser.call("POST", "/v1/invitations/accept", { code, name, password: PASSWORD });
  if (answer.status !== 200) throw new Error(`the invitation was not accepted: ${answer.status} ${answer.text}`);
  const { id } = answer.json.account;
  // Its headers change with its cookies.
  return Object.defineProperties({ id, name } as unknown as Person, Object.getOwnPropertyDescriptors(browser));
}
