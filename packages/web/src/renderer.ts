/** `?renderer=dom` in the address this page was loaded from; it holds for the whole visit, whatever is opened. */
export const RENDERER: "dom" | "webgl" =
  new URLSearchParams(location.search).get("renderer") === "dom" ? "dom" : "webgl";
