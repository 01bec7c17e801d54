import { tintype } from "@tintype/client";
import Image from "next/image";

const image = tintype(process.env.NEXT_PUBLIC_TINTYPE_URL);

async function blurOf(src: string) {
  "use cache";
  return image.inline(src);
}

export default async function Page() {
  return (
    <main>
      <Image src="samples/dusk.jpg" alt="Hills at dusk" width={2400} height={1600} sizes="100vw" preload
        placeholder="blur" blurDataURL={await blurOf("samples/dusk.jpg")} style={{ width: "100%", height: "auto" }} />
      <Image src="samples/noon.jpg" alt="Hills at noon" width={320} height={213}
        placeholder="blur" blurDataURL={await blurOf("samples/noon.jpg")} />
    </main>
  );
}
