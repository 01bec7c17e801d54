import Image from "next/image";

export default function Page() {
  return <Image src="samples/dusk.jpg" alt="The sun sets over hills" width={800} height={533} />;
}
