import type { NextConfig } from "next";

const nextConfig: NextConfig = {
  images: { loader: "custom", loaderFile: "./image-loader.ts" },
  cacheComponents: true, // create-next-app may have set it
  turbopack: { root: import.meta.dirname }, // the folders above have lock files of their own
};

export default nextConfig;
