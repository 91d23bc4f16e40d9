// Builds the page again, and fails if a committed file differs in a byte: dist must be what the sources make.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const outDir = mkdtempSync(join(tmpdir(), "grandstand-web-"));
let isSame = true;
try {
  for (const mode of ["production", "sdk"]) await build({ root, mode, logLevel: "warn", build: { outDir } });
  for (const name of ["index.html", "policy.txt", "grandstand.js"]) {
    if (readFileSync(join(outDir, name)).equals(readFileSync(join(root, "dist", name)))) continue;
    isSame = false;
    console.error(`clients/web/dist/${name} is not what the sources make; run: npm run --prefix clients/web build`);
  }
} finally {
  rmSync(outDir, { recursive: true });
}
if (!isSame) process.exit(1);
console.log("dist is what the sources make");
