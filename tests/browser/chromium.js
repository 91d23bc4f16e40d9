// The start of Chromium, for every test in a browser.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox", // tests run as root in containers
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts Chromium: from CHROMIUM, or one of the usual paths. It speaks QUIC only if a test is about that. */
export function launch({ quic = false } = {}) {
  const found = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const path = found.find((path) => path && existsSync(path));
  assert.ok(path, "no Chromium found: install it (apt-get install chromium) or set CHROMIUM to its path");
  return chromium.launch({ executablePath: path, args: quic ? FLAGS : [...FLAGS, "--disable-quic"] });
}
