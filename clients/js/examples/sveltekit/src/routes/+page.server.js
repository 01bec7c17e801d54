import { tintype } from "@tintype/client";
import { enhanced } from "@tintype/client/sveltekit";

const image = tintype(process.env.TINTYPE_URL);
const picture = enhanced(process.env.TINTYPE_URL);

export const prerender = true;

export async function load() {
  const { metadata } = await image.info("samples/dusk.jpg", ["metadata"]);
  return {
    dusk: picture("samples/dusk.jpg", {}, { width: metadata.width, height: metadata.height }),
    noon: picture("samples/noon.jpg", { w: 320, h: 213, fit: "cover" }, { dprs: [1, 2] }),
    blur: await image.inline("samples/dusk.jpg"),
  };
}
