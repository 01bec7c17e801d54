import { sign, signPicture, tintype } from "@tintype/client";
import { props } from "@tintype/client/react";
import { connection } from "next/server";
import { Suspense } from "react";

const image = tintype(process.env.NEXT_PUBLIC_TINTYPE_URL);

async function Picture({ src, alt }: { src: string; alt: string }) {
  const signing = { secret: process.env.TINTYPE_SIGNING_SECRET!, expiresIn: 3600 };
  const blur = await fetch(await sign(image.placeholder(src, "thumbhash", { format: "datauri" }), signing));
  const img = image.img(src, { w: 480, h: 320, fit: "cover" }, { dprs: [1, 2], placeholder: blur.ok ? await blur.text() : undefined });
  return <img {...props(await signPicture(img, signing))} alt={alt} />;
}

async function Pictures() {
  await connection(); // links are made for each visit: look here who is signed in
  return <Picture src="private/night.jpg" alt="Night over a lake" />;
}

export default function Page() {
  return (
    <main>
      <Suspense fallback={<p>One moment</p>}>
        <Pictures />
      </Suspense>
    </main>
  );
}
