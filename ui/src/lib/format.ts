// Numbers, times and values for people.
import type { Json } from "./types";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });

/** A count: 12,345. */
export const count = (value: number) => whole.format(value);

/** A value on one line; numbers to six digits. */
export function short(value: Json | undefined): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return Number.isInteger(value) ? whole.format(value) : fine.format(value);
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}

/** A time of day, with the date where it is not today's. */
export function clock(time: string | null | undefined): string {
  if (!time) return "–";
  const date = new Date(time);
  const day = date.toDateString() === new Date().toDateString() ? "" : `${date.toISOString().slice(0, 10)} `;
  return day + date.toLocaleTimeString("en-GB");
}

/** How long ago: 5 s, 3 min, 2 h, 4 d. */
export function ago(time: string | number | null | undefined, now = Date.now()): string {
  if (time === null || time === undefined) return "never";
  const seconds = Math.max(0, (now - (typeof time === "number" ? time : Date.parse(time))) / 1000);
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

/** A colour for each state of a twin's life. */
export const LIFE: Record<string, string> = {
  synchronized: "var(--good)",
  bound: "var(--accent)",
  "out-of-sync": "var(--warn)",
  unbound: "var(--quiet)",
  stopped: "var(--bad)",
};

/** Position of a number in a range, as a colour from cool to warm that reads on light and dark alike. */
export function heat(value: number, low: number, high: number): string {
  const at = high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5;
  const hue = 205 - 205 * at;
  return `hsl(${hue.toFixed(0)} 72% 48%)`;
}
