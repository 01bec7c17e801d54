// A front end that moved: its images come from Tintype, and next/image is as it was.
export default {
  images: {
    path: process.env.IMAGES_PATH,
    remotePatterns: [{ hostname: "**" }],
  },
  // The packages are those of the folder above.
  outputFileTracingRoot: new URL("..", import.meta.url).pathname,
  turbopack: { root: new URL("..", import.meta.url).pathname },
};
