import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/*.test.{ts,tsx}"],
    // The types of test/types.test-d.ts are checked by `npm run types`.
  },
});
