export default {
  images: { loader: "custom", loaderFile: "./image-loader.js" },
  cacheComponents: true, // as create-next-app sets it
  turbopack: { root: import.meta.dirname }, // the folders above have lock files of their own
};
