export default {
  images: { loader: "custom", loaderFile: "./image-loader.js" },
  turbopack: { root: import.meta.dirname }, // the folders above have lock files of their own
};
