// SPDX-License-Identifier: Apache-2.0

// Numbers and times as people read them.

const prefixes = ["", "k", "M", "G", "T", "P"];

// scaled prints a number with three digits and an SI prefix: 0, 7.5, 830, 12.3k.
function scaled(n) {
  let power = 0;
  while (n >= 999.5 && power < prefixes.length - 1) {
    n /= 1000;
    power++;
  }
  const digits = n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;
  if (power === 0) return [String(Number(n.toFixed(n >= 10 ? 0 : 1))), ""];
  return [n.toFixed(digits), prefixes[power]];
}

// bits prints a rate: 12.3 Mb/s.
export function bits(n) {
  const [number, prefix] = scaled(n);
  return `${number} ${prefix}b/s`;
}

// perSecond prints a rate of things: 12.3k frames/s.
export function perSecond(n, what = "") {
  const [number, prefix] = scaled(n);
  return `${number}${prefix}${what && " "}${what}/s`;
}

// whole prints a count with all its digits.
export const whole = (n) => n.toLocaleString("en");

// age prints seconds by their two largest units: 12s, 3m 5s, 2h 10m, 9d 4h.
export function age(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`;
  return `${Math.floor(s / 86400)}d ${Math.floor((s % 86400) / 3600)}h`;
}

// memory prints bytes in binary units.
export function memory(bytes) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let i = 0;
  for (; bytes >= 1024 && i < units.length - 1; i++) bytes /= 1024;
  return `${bytes.toFixed(i > 0 ? 1 : 0)} ${units[i]}`;
}

// clock prints a time of the log in the reader's zone.
export function clock(time) {
  const t = new Date(time);
  const two = (n) => String(n).padStart(2, "0");
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}
