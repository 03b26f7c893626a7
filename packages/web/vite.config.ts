import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { precompress } from "./build/precompress.ts";
import { preload } from "./build/preload.ts";

/** `--mode uncompressed`: for tests that build the page again and again. */
export default defineConfig(({ command, mode }) => {
  // What the shell or a test runner has in NODE_ENV would make it React's slow one, with this folder's paths in it.
  if (command === "build") process.env.NODE_ENV = "production";
  return {
    plugins: [react(), tailwindcss(), preload(), mode !== "uncompressed" && precompress()],
    build: {
      // The first release of each browser with light-dark() in CSS.
      target: ["chrome123", "firefox120", "safari17.5"],
      // The CSP has no data: for fonts, and a preload polyfill would be an inline script.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      // The terminal, loaded beside the page: xterm.js with its renderer is that large.
      chunkSizeWarningLimit: 800,
    },
    server: {
      host: "127.0.0.1",
      // `npm run dev -w packages/web` beside a server: MICROTERM_URL names it.
      proxy: { "/v1": { target: process.env.MICROTERM_URL ?? "http://127.0.0.1:7681", ws: true } },
    },
  };
});
