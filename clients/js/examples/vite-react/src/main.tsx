/// <reference types="vite/client" />
/// <reference types="@tintype/client/images" />
import { createImage } from "@tintype/client/react";
import { createRoot } from "react-dom/client";
import dusk from "tintype:samples/dusk.jpg?sizes=100vw";

const Image = createImage(import.meta.env.TINTYPE_URL);

createRoot(document.getElementById("root")!).render(
  <main>
    <Image src="samples/dusk.jpg" alt="Hills at dusk" width={dusk.img.width} height={dusk.img.height} sizes="100vw"
      placeholder={dusk.placeholder} style={{ width: "100%", height: "auto" }} />
    <Image src="samples/noon.jpg" alt="Hills at noon" width={320} height={213} placeholder />
  </main>,
);
