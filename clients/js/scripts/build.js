// Builds the package into dist: modules with types, and one file for a plain script tag.

import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";

/** Properties that only the modules of the package use among themselves. Short names make the files smaller. */
const INTERNAL = `afterClose beat beatAt deadline endLeft ended enter explain failAll failFrom failSent giveUp handle
  handleClosed handleMessage handleToken hasHope hasNamedInput hasTokenSource hold isDegraded isLeaving isOlder
  isPaused isUsable link onAck onClosed onExpiring onFailed onFrame onHeard onLinkLost onPinged onRefused onReject
  onRenewed onRestarted onStatus onToken onTooBig onWelcome opened pause payload refusal repeat restart rollBack
  settle startedAt suspend waitMs welcomedAt`;

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "--emitDeclarationOnly"], { stdio: "inherit" });
const common = {
  bundle: true,
  write: false,
  minify: true,
  sourcemap: true,
  target: "es2022",
  mangleProps: new RegExp(`^(?:${INTERNAL.trim().split(/\s+/).join("|")})$`),
};
const modules = await build({
  ...common,
  entryPoints: ["src/index.ts", "src/protobuf.ts", "src/react.ts"],
  outdir: "dist",
  format: "esm",
  splitting: true,
  external: ["react", "@bufbuild/protobuf"],
});
const script = await build({
  ...common,
  entryPoints: ["src/index.ts"],
  outfile: "dist/grandstand.min.js",
  format: "iife",
  globalName: "Grandstand",
});

// esbuild bundles, and Terser makes the result smaller.
for (const [{ outputFiles }, module] of [
  [modules, true],
  [script, false],
]) {
  for (const { path, text } of outputFiles.filter(({ path }) => path.endsWith(".js"))) {
    const map = outputFiles.find((file) => file.path === `${path}.map`).text;
    const { code, map: smaller } = await minify(text, {
      module,
      ecma: 2022,
      compress: { passes: 3, unsafe: true, unsafe_arrows: true, pure_getters: true, keep_fargs: false },
      sourceMap: { content: map, url: `${basename(path)}.map` },
    });
    writeFileSync(path, code);
    writeFileSync(`${path}.map`, smaller);
  }
}
