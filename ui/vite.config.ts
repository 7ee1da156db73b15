// Builds the dashboard into dist/: hashed names, gzipped once, ready to be put into the program.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const DIST = join(import.meta.dirname, "dist");

/** Keeps each file as its gzip form only: every browser that can run the dashboard takes it. */
function gzipped(): Plugin {
  const clear = () => {
    if (!existsSync(DIST)) return;
    for (const name of readdirSync(DIST)) if (name !== ".gitignore") rmSync(join(DIST, name), { recursive: true });
  };
  const pack = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        pack(path);
      } else if (!path.endsWith(".gz") && entry.name !== ".gitignore") {
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        rmSync(path);
      }
    }
  };
  return {
    name: "gzipped",
    apply: "build",
    buildStart: clear,
    closeBundle: () => pack(DIST),
  };
}

export default defineConfig({
  plugins: [svelte(), gzipped()],
  build: { emptyOutDir: false, target: "es2022", chunkSizeWarningLimit: 1200, modulePreload: { polyfill: false } },
  worker: { format: "es" },
  server: { proxy: { "^/(v1|page|digitaltwins|models$|query$|events$|openapi.json)": "http://127.0.0.1:8080" } },
});
