/** `?renderer=dom` or `webgl` in any address of this tab holds from there on, over navigation and refresh. */
const KEY = "microterm.renderer";

export type Renderer = "dom" | "webgl";

const isRenderer = (text: string | null): text is Renderer => text === "dom" || text === "webgl";

const choose = (): Renderer => {
  const wanted = new URLSearchParams(location.search).get("renderer");
  try {
    if (isRenderer(wanted)) sessionStorage.setItem(KEY, wanted);
    const kept = sessionStorage.getItem(KEY);
    return isRenderer(kept) ? kept : "webgl";
  } catch {
    return isRenderer(wanted) ? wanted : "webgl";
  }
};

export const RENDERER: Renderer = choose();
