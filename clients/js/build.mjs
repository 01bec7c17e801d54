// Builds dist: types of the API from its document, then what tsc makes of src.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, rmSync, statSync } from "node:fs";

process.chdir(import.meta.dirname);
const run = (script, ...args) => execFileSync(process.execPath, [`node_modules/${script}`, ...args], { stdio: ["ignore", "ignore", "inherit"] });

if (!existsSync("src/api.ts") || statSync("src/api.ts").mtimeMs < statSync("openapi.json").mtimeMs) {
  run("openapi-typescript/bin/cli.js", "openapi.json", "-o", "src/api.ts");
}
rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc"], { stdio: "inherit" });
copyFileSync("../../LICENSE", "LICENSE");
