// The keys that suites sign with. The server under test gets the same file.
import { readFileSync } from "node:fs";

export const keys = Object.fromEntries(JSON.parse(readFileSync(new URL("keys.json", import.meta.url))).map((key) => [key.dialect, key]));
