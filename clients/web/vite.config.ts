import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The policy of the page: it runs its own script and style alone, by their hashes, and connects to its own server. */
function policy(script: string, style: string): string {
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  return [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
}

/** Puts the script and the style into the page, so that it is one file, and writes its policy beside it. */
function oneFile(): Plugin {
  return {
    name: "one-file",
    enforce: "post",
    generateBundle(_, bundle) {
      const page = bundle["index.html"];
      if (page?.type !== "asset") throw new Error("there is no index.html");
      let html = String(page.source);
      const put = (tag: RegExp, text: string) => {
        if (!tag.test(html)) throw new Error(`index.html has no ${tag}`);
        html = html.replace(tag, () => text);
      };
      let [script, style] = ["", ""];
      for (const [name, file] of Object.entries(bundle)) {
        if (file.type === "chunk") {
          // Where Vite would name the files to load before a dynamic import. All code is here.
          const code = file.code.replaceAll(/__VITE_PRELOAD__[\da-f]*/g, "void 0");
          script = code.trim().replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
          put(/<script[^>]* src="[^"]*"[^>]*><\/script>/, `<script type="module">${script}</script>`);
        } else if (name.endsWith(".css")) {
          style = String(file.source).trim();
          put(/<link[^>]* rel="stylesheet"[^>]*>/, `<style>${style}</style>`);
        } else continue;
        delete bundle[name];
      }
      this.emitFile({ type: "asset", fileName: "policy.txt", source: policy(script, style) });
      page.source = html;
    },
  };
}

// The page, or with `--mode sdk` the client alone, as a module for pages without a build step.
export default defineConfig(({ mode }) => {
  const isSdk = mode === "sdk";
  return {
    base: "./",
    resolve: { alias: { "@grandstand/client": path("../js/src/index.ts") } },
    plugins: isSdk ? [] : [oneFile()],
    build: {
      target: "es2022",
      emptyOutDir: false,
      cssCodeSplit: false,
      assetsInlineLimit: Number.MAX_SAFE_INTEGER,
      modulePreload: false,
      reportCompressedSize: false,
      ...(isSdk && {
        lib: { entry: path("../js/src/index.ts"), formats: ["es"] as const, fileName: () => "grandstand.js" },
      }),
      rolldownOptions: { output: { codeSplitting: false } },
    },
    test: { include: ["test/*.test.ts"] },
  };
});
