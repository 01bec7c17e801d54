// Formats numbers and names for people.

export function bytes(n) {
  if (n < 1000) return `${n} B`;
  const [value, unit] = n < 1e6 ? [n / 1e3, 'kB'] : [n / 1e6, 'MB'];
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}

export const pixels = (width, height) => `${width} × ${height}`;

export const milliseconds = (n) => `${n < 10 ? n.toFixed(1) : Math.round(n)} ms`;

export const format = (type) => type.replace(/^image\//, '').replace(/\+xml$/, '').toUpperCase();

// saved says how much fewer or more bytes there are, in percent.
export function saved(before, after) {
  const percent = (after / before - 1) * 100;
  const digits = Math.abs(percent) < 99 ? 0 : 1;
  return `${Math.abs(percent).toFixed(digits)} % ${percent > 0 ? 'larger' : 'smaller'}`;
}

// timing shortens a Server-Timing header: "fetch 0.4 ms · transform 38 ms".
export function timing(header) {
  const steps = header.split(',').map((part) => /^\s*([^;\s]+).*?;dur=([\d.]+)/.exec(part)).filter(Boolean);
  return steps.length ? `${steps.map(([, name, ms]) => `${name} ${milliseconds(Number(ms))}`).join(' · ')}` : 'none, the variant was cached';
}
