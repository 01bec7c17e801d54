export default defineNuxtConfig({
  modules: ["@nuxt/image"],
  image: {
    provider: "tintype",
    providers: {
      tintype: { provider: "@tintype/client/nuxt", options: { url: process.env.TINTYPE_URL } },
    },
  },
  runtimeConfig: { public: { tintypeUrl: process.env.TINTYPE_URL } },
  compatibilityDate: "2026-11-01",
  telemetry: false,
});
