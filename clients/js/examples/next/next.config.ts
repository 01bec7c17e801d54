export default {
  images: { loader: "custom", loaderFile: "./image-loader.js" },
  cacheComponents: true, // create-next-app may have set it
  turbopack: { root: import.meta.dirname }, // the folders above have lock files of their own
};
