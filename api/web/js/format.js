/** Values as text. BIGINT and DECIMAL arrive as strings: they are formatted from the string, digit for digit. */

const NUMBERS = (navigator.languages || []).find((language) => /^en\b/i.test(language)) || "en-GB";
const DATES = "en-GB";
const NUMERIC = /^(?:u?(?:tiny|small|big|huge)?int(?:eger)?\d*|decimal\d*|numeric|double|float\d*|real|bignum)\b/i;
const EXACT_INTL = new Intl.NumberFormat("en").format("12345678901234567891") === "12,345,678,901,234,567,891";
const LABEL_COLUMN = /(?:^|_)(?:id|key|year|code|number)$/i;

/** What a column of this type holds: "number", "date" (day or instant) or "text". */
export function kindOf(type) {
  const name = String(type).trim();
  if (name.endsWith("]")) return "text";
  if (NUMERIC.test(name)) return "number";
  return /^(?:date|timestamp)/i.test(name) ? "date" : "text";
}

/** A value of a chart's axis or mark; null for what cannot be drawn (NULL, NaN, infinity). */
export function plotted(value) {
  const number = value == null || value === "" ? Number.NaN : Number(value);
  return Number.isFinite(number) ? number : null;
}

/** A table cell: every digit of an exact value, doubles rounded for reading. */
export function cell(value, column, format) {
  if (value == null) return "–";
  const kind = kindOf(column.type);
  if (kind === "number")
    return number(value, format, { exact: true, plain: !format && LABEL_COLUMN.test(column.name) });
  if (kind === "date") return dateTime(value);
  if (typeof value === "boolean") return value ? "Yes" : "No";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/**
 * `format`: currency:EUR, percent (of a fraction), integer, decimal, or none. `exact`: keep all digits of a string;
 * `compact`: 1.2M; `plain`: as it came.
 */
export function number(value, format, { exact = false, compact = false, plain = false } = {}) {
  if (value == null) return "–";
  if (/^-?inf/i.test(value)) return String(value).startsWith("-") ? "−∞" : "∞";
  if (Number.isNaN(Number(value))) return String(value);
  if (plain) return String(value);
  const [style, detail] = String(format || "").split(":");
  const options = compact ? briefly(value) : digits(value, style, exact);
  const text =
    typeof value === "string" && !EXACT_INTL && exact ? null : formatter(style, detail, options)?.format(value);
  return text ?? `${value}${style === "currency" ? ` ${detail}` : ""}`;
}

const briefly = (value) =>
  Math.abs(value) < 1e15
    ? { notation: "compact", maximumFractionDigits: 1 }
    : { notation: "scientific", maximumFractionDigits: 3 };

function digits(value, style, exact) {
  const held = typeof value === "string" ? value.split(".")[1] || "" : null;
  if (style === "integer") return { maximumFractionDigits: 0 };
  if (!exact || held === null)
    return (
      {
        percent: { minimumFractionDigits: 1, maximumFractionDigits: 1 },
        decimal: { minimumFractionDigits: 2, maximumFractionDigits: 2 },
        currency: {},
      }[style] || { maximumFractionDigits: 3 }
    );
  const significant = held.replace(/0+$/, "").length;
  if (style === "currency") return { leastFraction: significant };
  if (style === "percent") return { maximumFractionDigits: Math.max(significant - 2, 0) };
  return { minimumFractionDigits: held.length, maximumFractionDigits: held.length };
}

const FORMATTERS = new Map();

function formatter(style, detail, { leastFraction, ...options }) {
  const name = JSON.stringify([style, detail, leastFraction, options]);
  if (!FORMATTERS.has(name)) FORMATTERS.set(name, makeFormatter(style, detail, leastFraction, options));
  return FORMATTERS.get(name);
}

function makeFormatter(style, detail, leastFraction, options) {
  try {
    if (style === "percent") return new Intl.NumberFormat(NUMBERS, { style: "percent", ...options });
    if (style !== "currency") return new Intl.NumberFormat(NUMBERS, options);
    const currency = { style: "currency", currency: detail, currencyDisplay: "narrowSymbol" };
    const usual = new Intl.NumberFormat(NUMBERS, currency).resolvedOptions().maximumFractionDigits;
    return new Intl.NumberFormat(NUMBERS, {
      ...currency,
      ...options,
      ...(leastFraction > usual && { maximumFractionDigits: leastFraction }),
    });
  } catch {
    return null;
  }
}

/** Milliseconds of an ISO date or time, read as UTC where it names no offset; NaN where it is none. */
export function instant(value) {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/.exec(
    String(value),
  );
  if (!match) return Number.NaN;
  const [, day, time = "00:00", offset = "Z"] = match;
  return Date.parse(`${day}T${time}${/^[+-]\d\d$/.test(offset) ? `${offset}:00` : offset}`);
}

const DAY = new Intl.DateTimeFormat(DATES, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const CLOCK = new Intl.DateTimeFormat(DATES, { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const MONTH = new Intl.DateTimeFormat(DATES, { month: "short", timeZone: "UTC" });

/** "24 Nov 2026", or "24 Nov 2026, 07:00 UTC" with a time and an offset; what is no date comes back as it is. */
export function dateTime(value) {
  const at = instant(value);
  if (Number.isNaN(at)) return String(value);
  if (String(value).length <= 10) return DAY.format(at);
  const zone = /(?:Z|[+-]\d\d(?::?\d\d)?)$/.test(value.slice(11)) ? " UTC" : "";
  return `${DAY.format(at)}, ${CLOCK.format(at)}${zone}`;
}

/** "3 minutes ago". `now` in milliseconds. */
export function ago(at, now = Date.now()) {
  const seconds = Math.round((at - now) / 1000);
  const words = new Intl.RelativeTimeFormat(DATES, { numeric: "auto" });
  if (Math.abs(seconds) < 45) return "just now";
  for (const [unit, size, limit] of [
    ["minute", 60, 3600],
    ["hour", 3600, 86400],
    ["day", 86400, 2592000],
    ["month", 2629800, 31557600],
    ["year", 31557600, Infinity],
  ]) {
    if (Math.abs(seconds) < limit) return words.format(Math.round(seconds / size), unit);
  }
  return "";
}

/** Bytes in units of 1000. */
export function bytes(count) {
  let value = Number(count);
  for (const unit of ["B", "kB", "MB", "GB"]) {
    const places = value < 10 && unit !== "B" ? 1 : 0;
    const options = { minimumFractionDigits: places, maximumFractionDigits: places };
    if (value < 1000) return `${new Intl.NumberFormat(NUMBERS, options).format(value)} ${unit}`;
    value /= 1000;
  }
  return `${value.toFixed(1)} TB`;
}

/** "new_customers" → "New customers". */
export function words(name) {
  const text = String(name).replace(/_+/g, " ").trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Orders two numbers exactly, as numbers or as decimal strings. */
export function compareNumbers(a, b) {
  const difference = Number(a) - Number(b);
  if (Number.isNaN(difference) || difference || typeof a !== "string" || typeof b !== "string") return difference || 0;
  const width = Math.max(a.length, b.length);
  const padded = (text) => {
    const [whole, part = ""] = text.replace("-", "").split(".");
    return whole.padStart(width, "0") + part.padEnd(width, "0");
  };
  return padded(a).localeCompare(padded(b)) * (a.startsWith("-") ? -1 : 1);
}

const HOUR = 3600e3;

/**
 * Round moments between two instants for an axis, at most about `count` months or fewer days, whose labels are longer,
 * and not closer than `least` ms: {at, label}.
 * A label of two lines names the year or the day below.
 */
export function timeTicks(from, to, count, least = 0) {
  const span = Math.max(to - from, 1);
  const step = [
    [HOUR, "h", 1],
    [3 * HOUR, "h", 3],
    [6 * HOUR, "h", 6],
    [12 * HOUR, "h", 12],
    [24 * HOUR, "d", 1],
    [48 * HOUR, "d", 2],
    [168 * HOUR, "d", 7],
    [336 * HOUR, "d", 14],
    [730 * HOUR, "m", 1],
    [1461 * HOUR, "m", 2],
    [2191 * HOUR, "m", 3],
    [4383 * HOUR, "m", 6],
    [8766 * HOUR, "m", 12],
    [17532 * HOUR, "m", 24],
    [43830 * HOUR, "m", 60],
    [87660 * HOUR, "m", 120],
  ].find(([size, unit]) => span / size <= (unit === "m" ? count : count * 0.75) && size >= least * 0.9) || [0, "m", 240];
  const ticks = step[1] === "m" ? monthTicks(from, to, step[2]) : evenTicks(from, to, step[0]);
  return ticks.map((at, index) => ({ at, label: tickLabel(at, ticks[index - 1], step) }));
}

function monthTicks(from, to, every) {
  const start = new Date(from);
  const ticks = [];
  for (let month = Math.floor((start.getUTCFullYear() * 12 + start.getUTCMonth()) / every) * every; ; month += every) {
    const at = Date.UTC(Math.floor(month / 12), month % 12, 1);
    if (at > to) return ticks;
    if (at >= from) ticks.push(at);
  }
}

function evenTicks(from, to, size) {
  const ticks = [];
  const monday = size % (168 * HOUR) === 0 ? 96 * HOUR : 0;
  for (let at = Math.ceil((from - monday) / size) * size + monday; at <= to; at += size) ticks.push(at);
  return ticks;
}

function tickLabel(at, before, [, unit, every]) {
  const date = new Date(at);
  const year = String(date.getUTCFullYear());
  if (unit === "m" && every >= 12) return year;
  if (unit === "h") {
    const newDay = before === undefined || new Date(before).getUTCDate() !== date.getUTCDate();
    return newDay ? [CLOCK.format(at), `${date.getUTCDate()} ${MONTH.format(at)}`] : CLOCK.format(at);
  }
  const label = unit === "m" ? MONTH.format(at) : `${date.getUTCDate()} ${MONTH.format(at)}`;
  return before === undefined || new Date(before).getUTCFullYear() !== date.getUTCFullYear() ? [label, year] : label;
}
