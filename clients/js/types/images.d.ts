/** The types of images that are imported with the plugin of Vite. */
declare module "tintype:*" {
  const image: import("@tintype/client/vite").ImportedImage;
  export default image;
}
