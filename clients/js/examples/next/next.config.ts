import type { NextConfig } from "next";

const nextConfig: NextConfig = {
  images: { loader: "custom", loaderFile: "./image-loader.ts" },
  cacheComponents: true, // leave this line out if create-next-app wrote it
  turbopack: { root: import.meta.dirname }, // the folders above have lock files of their own
};

export default nextConfig;
