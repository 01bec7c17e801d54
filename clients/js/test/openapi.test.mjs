// The document of the API is held to a strict linter, since others generate clients from it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createConfig, lint } from "@redocly/openapi-core";

test("the OpenAPI document", async () => {
  const config = await createConfig({ extends: ["recommended-strict"] });
  const problems = await lint({ ref: new URL("../openapi.json", import.meta.url).pathname, config });
  assert.deepEqual(problems.map(({ ruleId, message, location }) => `${location[0]?.pointer}: ${message} (${ruleId})`), []);
});
