import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { blocks, moduleOf } from "./snippets.mjs";

const root = new URL("../../../", import.meta.url);

test("the code of the pages", async (t) => {
  const all = blocks(root);
  assert.ok(all.length >= 20);
  for (const { name, how, code } of all) {
    await t.test(name, () => {
      if (how === "run") execFileSync(process.execPath, ["--input-type=module", "--eval", moduleOf(code)], { cwd: new URL("clients/js", root), stdio: "pipe" });
      else if (how?.startsWith("file=")) assert.ok(readFileSync(new URL("clients/js/" + how.slice(5), root), "utf8").includes(code), `${how} has other code`);
      else if (how === "template") return; // templates.test.mjs renders these
      else assert.equal(how, "live", "nothing holds this block to what is true"); // live/live.test.mjs runs these
    });
  }
});
