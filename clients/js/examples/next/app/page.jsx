import { tintype } from "@tintype/client";
import Image from "next/image";

const image = tintype(process.env.NEXT_PUBLIC_TINTYPE_URL);

export default async function Page() {
  const blur = await image.inline("samples/dusk.jpg");
  return (
    <main>
      <Image src="samples/dusk.jpg" alt="Hills at dusk" width={2400} height={1600} sizes="100vw" preload
        placeholder="blur" blurDataURL={blur} style={{ width: "100%", height: "auto" }} />
      <Image src="samples/noon.jpg" alt="Hills at noon" width={320} height={213}
        placeholder="blur" blurDataURL={await image.inline("samples/noon.jpg")} />
    </main>
  );
}
