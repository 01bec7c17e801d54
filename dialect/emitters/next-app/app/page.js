import Image from "next/image";

export default function Page() {
  return (
    <>
      <Image src="/dusk.jpg" alt="fixed 320×213" width={320} height={213} priority />
      <Image src="/balloon.jpg" alt="fixed 200×300" width={200} height={300} quality={75} priority />
      <div style={{ position: "relative", width: 640, height: 427 }}>
        <Image src="/noon.jpg" alt="fill 640×427" fill sizes="640px" priority />
      </div>
    </>
  );
}
