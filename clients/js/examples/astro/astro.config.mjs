import { defineConfig } from "astro/config";

export default defineConfig({
  image: {
    service: {
      entrypoint: "@tintype/client/astro",
      config: { url: process.env.TINTYPE_URL, placeholder: true },
    },
  },
});
