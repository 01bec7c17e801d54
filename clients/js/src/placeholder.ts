/**
 * Draws the hashes that `/info` answers, without a request: {@link blurhash} and {@link thumbhash} decode to pixels, and
 * {@link dataURL} makes an image of them.
 */

/** Pixels as RGBA, row by row from the top left, as `ImageData` takes them. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

const digits83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

/** Decodes a BlurHash at a size of your choice. `punch` multiplies the contrast. 32 pixels are enough: the page enlarges it. */
export function blurhash(hash: string, width = 32, height = 32, punch = 1): Pixels {
  const number = (from: number, to: number) => [...hash.slice(from, to)].reduce((n, c) => n * 83 + digits83.indexOf(c), 0);
  const size = number(0, 1);
  const columns = (size % 9) + 1;
  const rows = Math.floor(size / 9) + 1;
  if (hash.length !== 4 + 2 * columns * rows || [...hash].some((c) => !digits83.includes(c))) throw new TypeError(`"${hash}" is no BlurHash`);

  const linear = (byte: number) => (byte <= 10.31475 ? byte / 3294.6 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
  const most = ((number(1, 2) + 1) / 166) * punch;
  const colors = Array.from({ length: columns * rows }, (_, i) => {
    if (i === 0) {
      const rgb = number(2, 6);
      return [rgb >> 16, (rgb >> 8) & 255, rgb & 255].map(linear);
    }
    const n = number(4 + i * 2, 6 + i * 2);
    return [Math.floor(n / 361), Math.floor(n / 19) % 19, n % 19].map((q) => Math.sign(q - 9) * ((q - 9) / 9) ** 2 * most);
  });

  const cosines = (length: number, waves: number) =>
    Array.from({ length }, (_, at) => Array.from({ length: waves }, (_, i) => Math.cos((Math.PI * at * i) / length)));
  const [across, down] = [cosines(width, columns), cosines(height, rows)];
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        let light = 0;
        for (let j = 0; j < rows; j++) for (let i = 0; i < columns; i++) light += colors[j * columns + i]![c]! * across[x]![i]! * down[y]![j]!;
        light = Math.min(1, Math.max(0, light));
        data[(y * width + x) * 4 + c] = Math.trunc((light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055) * 255 + 0.5);
      }
    }
  }
  return { width, height, data };
}

/** Decodes a ThumbHash, in base64 of either alphabet or as bytes. The longer side has 32 pixels. */
export function thumbhash(hash: string | Uint8Array): Pixels {
  const bytes = typeof hash === "string" ? Uint8Array.from(atob(hash.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0)) : hash;
  const byte = (i: number) => bytes[i] ?? 0;
  const head = byte(0) | (byte(1) << 8) | (byte(2) << 16);
  const more = byte(3) | (byte(4) << 8);
  const hasAlpha = head >> 23;
  const landscape = more >> 15;
  // Channels: lightness, yellow to blue, red to green, and alpha; each has a mean, a scale and some waves.
  const nx = Math.max(3, landscape ? (hasAlpha ? 5 : 7) : more & 7);
  const ny = Math.max(3, landscape ? more & 7 : hasAlpha ? 5 : 7);
  let nibble = 0;
  const first = hasAlpha ? 6 : 5;
  const waves = (nx: number, ny: number, scale: number) => {
    const list: number[] = [];
    for (let j = 0; j < ny; j++) {
      for (let i = j ? 0 : 1; i * ny < nx * (ny - j); i++) {
        list.push((((byte(first + (nibble >> 1)) >> ((nibble++ & 1) << 2)) & 15) / 7.5 - 1) * scale);
      }
    }
    return list;
  };
  const channels = [
    { mean: (head & 63) / 63, nx, ny, waves: waves(nx, ny, ((head >> 18) & 31) / 31) },
    { mean: ((head >> 6) & 63) / 31.5 - 1, nx: 3, ny: 3, waves: waves(3, 3, (((more >> 3) & 63) / 63) * 1.25) },
    { mean: ((head >> 12) & 63) / 31.5 - 1, nx: 3, ny: 3, waves: waves(3, 3, (((more >> 9) & 63) / 63) * 1.25) },
  ];
  if (hasAlpha) channels.push({ mean: (byte(5) & 15) / 15, nx: 5, ny: 5, waves: waves(5, 5, (byte(5) >> 4) / 15) });
  if (bytes.length !== first + ((nibble + 1) >> 1)) throw new TypeError("this is no ThumbHash: it has another length");

  const shape = landscape ? [hasAlpha ? 5 : 7, more & 7] : [more & 7, hasAlpha ? 5 : 7];
  const ratio = shape[0]! / shape[1]!;
  const width = Math.round(ratio > 1 ? 32 : 32 * ratio);
  const height = Math.round(ratio > 1 ? 32 / ratio : 32);
  const cosines = (length: number) => Array.from({ length }, (_, at) => Array.from({ length: 7 }, (_, i) => Math.cos((Math.PI / length) * (at + 0.5) * i)));
  const [across, down] = [cosines(width), cosines(height)];
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [l, p, q, a = 1] = channels.map(({ mean, nx, ny, waves }) => {
        let sum = mean;
        for (let j = 0, n = 0; j < ny; j++) {
          for (let i = j ? 0 : 1; i * ny < nx * (ny - j); i++) sum += waves[n++]! * across[x]![i]! * down[y]![j]! * 2;
        }
        return sum;
      }) as [number, number, number, number?];
      const b = l - (2 / 3) * p;
      const r = (3 * l - b + q) / 2;
      const at = (y * width + x) * 4;
      [r, r - q, b, a].forEach((value, c) => (data[at + c] = Math.trunc(255 * Math.min(1, Math.max(0, value)))));
    }
  }
  return { width, height, data };
}

/** Makes a PNG of pixels, as a `data:` URL. */
export function dataURL({ width, height, data }: Pixels): string {
  const row = width * 4 + 1; // a byte in front says that the row is unfiltered
  const raw = new Uint8Array(row * height);
  for (let y = 0; y < height; y++) raw.set(data.subarray(y * width * 4, (y + 1) * width * 4), y * row + 1);

  const u32 = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
  const zlib: number[] = [0x78, 0x01];
  for (let from = 0; from < raw.length; from += 65535) {
    const block = raw.subarray(from, from + 65535);
    zlib.push(+(from + 65535 >= raw.length), block.length & 255, block.length >> 8, ~block.length & 255, (~block.length >> 8) & 255);
    for (const byte of block) zlib.push(byte);
  }
  let [a, b] = [1, 0];
  for (const byte of raw) b = (b + (a = (a + byte) % 65521)) % 65521;
  zlib.push(...u32(((b << 16) | a) >>> 0));

  const chunk = (type: string, body: number[]) => {
    const bytes = [...type].map((c) => c.charCodeAt(0)).concat(body);
    let crc = -1;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return [...u32(body.length), ...bytes, ...u32(~crc)];
  };
  const png = [0x89, 80, 78, 71, 13, 10, 26, 10]
    .concat(chunk("IHDR", [...u32(width), ...u32(height), 8, 6, 0, 0, 0]))
    .concat(chunk("IDAT", zlib))
    .concat(chunk("IEND", []));
  return "data:image/png;base64," + btoa(png.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}
