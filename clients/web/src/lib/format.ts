// Figures as text.

/** `4.2 ms`, `128 ms`, `1.4 s` */
export function ms(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value >= 10_000) return `${Math.round(value / 1000)} s`;
  if (value >= 1_000) return `${(value / 1000).toFixed(1)} s`;
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

/** The seconds of a countdown: `12 s`, `9:54` */
export function countdown(leftMs: number): string {
  const seconds = Math.ceil(leftMs / 1000);
  if (seconds < 100) return `${seconds} s`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** `812 B`, `4.1 kB`, `23 MB` */
export function bytes(value: number): string {
  let [number, unit] = [value, "B"];
  for (const next of ["kB", "MB", "GB"]) {
    if (number < 1000) break;
    [number, unit] = [number / 1000, next];
  }
  return unit === "B" || number >= 100 ? `${Math.round(number)} ${unit}` : `${Math.round(number * 10) / 10} ${unit}`;
}

/** `1 viewer`, `3 viewers` */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** `14:03:27` */
export function clock(time: number): string {
  return new Date(time).toTimeString().slice(0, 8);
}

/** A hue for a name, the same on every page. */
export function hue(name: string): number {
  let sum = 7;
  for (const char of name) sum = (sum * 31 + char.codePointAt(0)!) % 3600;
  return (sum * 137) % 360;
}

/** `a`, `a and b`, `a, b and c` */
export function list(names: readonly string[]): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
