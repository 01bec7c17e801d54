import react from "@vitejs/plugin-react";
import { tintype } from "@tintype/client/vite";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react(), tintype(process.env.TINTYPE_URL)],
  envPrefix: ["VITE_", "TINTYPE_URL"],
});
