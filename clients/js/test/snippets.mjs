// The code in the READMEs, docs/clients.md and docs/guides/nextjs.md, but for a shell's and HTML. A block says after its language how it is held to what is true: "run" and "live"
// are run, and a comment says the value of the expression above it; "file=…" is in that file of clients/js.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export function blocks(root) {
  return ["README.md", "clients/js/README.md", "docs/clients.md", "docs/guides/nextjs.md"].flatMap((page) =>
    [...readFileSync(new URL(page, root), "utf8").matchAll(/^```(\w+)(?: (\S+))?\n([^]*?)^```$/gm)].filter(([, language]) => !/^(sh|text|console|html)$/.test(language)).map(([, language, how, code], i) => ({
      name: `${page}, block ${i + 1}`,
      language,
      how,
      code,
    })),
  );
}

/** The module of a block, in which each expression with a value behind it is compared. */
export function moduleOf(code, replace = (text) => text) {
  let checks = 0;
  const body = replace(code).replace(/^(?!\/\/)(\S.*);\n\/\/ (.*)$/gm, (_, expression, value) => {
    checks++;
    return `assert.equal(String(${expression}), ${JSON.stringify(value)});`;
  });
  assert.ok(checks, "nothing is compared");
  return `import assert from "node:assert/strict";\n${body}`;
}
