import { check } from "./vectors.mjs";

postMessage(await check());
