/**
 * A dashboard's parameters: read from the address, written back to it and sent.
 *
 * A state holds what differs from the defaults: {name: value}. A date range is "YYYY-MM-DD/YYYY-MM-DD" (end excluded) or
 * a preset's name, kept by name so that a copied address moves with the snapshot; a select holds text, null (all)
 * or, with `multiple`, a list.
 */

/** The named ranges: name, short label, label. */
export const PRESETS = [
  ["P30D", "30 d", "Last 30 days"],
  ["P90D", "90 d", "Last 90 days"],
  ["P12M", "12 m", "Last 12 months"],
  ["all", "All", "All time"],
];
const DAY = 86400e3;

const isoDay = (at) => new Date(at).toISOString().slice(0, 10);
export const addDays = (day, days) => isoDay(Date.parse(day) + days * DAY);

/** The state in an address's query. */
export function readParameters(definitions, query) {
  const state = {};
  for (const [name, definition] of Object.entries(definitions)) {
    if (definition.locked || !query.has(name)) continue;
    const value = readValue(definition, query.getAll(name));
    if (value !== undefined && !isDefault(definition, value)) state[name] = value;
  }
  return state;
}

/** A default in the form that a state has. */
export function normalDefault({ type, multiple, default: value }) {
  if (type === "select" && multiple) return (value == null ? [] : [value].flat()).map(String);
  if (type === "select") return value == null ? null : String(value);
  return value ?? (type === "text" ? "" : null);
}

/** Whether a value says what is asked without it too. */
export const isDefault = (definition, value) => JSON.stringify(value) === JSON.stringify(normalDefault(definition));

function readValue(definition, values) {
  const first = values[0];
  if (definition.type === "date_range") {
    return PRESETS.some(([preset]) => preset === first) || /^\d{4}-\d\d-\d\d\/\d{4}-\d\d-\d\d$/.test(first)
      ? first
      : undefined;
  }
  if (definition.type === "number") return first === "" || Number.isNaN(Number(first)) ? undefined : Number(first);
  if (definition.type !== "select") return first;
  if (definition.multiple) return values.filter(Boolean);
  return first === "" ? null : first;
}

/** The address's query of a state: "?period=P30D&plan=Pro", or "". */
export function writeParameters(state) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    for (const item of Array.isArray(value) && value.length ? value : [value]) query.append(name, item ?? "");
  }
  const text = query.toString().replaceAll("%2F", "/");
  return text && `?${text}`;
}

/** The state as the body of a data request: preset ranges become dates, nothing chosen becomes null. */
export function requestParameters(definitions, state, asOf) {
  const entries = Object.entries(state).map(([name, value]) => {
    const definition = definitions[name];
    if (definition.type === "date_range") return [name, rangeOf(value, definition, asOf).join("/")];
    if (definition.type !== "select") return [name, value];
    return [
      name,
      Array.isArray(value)
        ? value.length
          ? value.map((item) => optionValue(definition, item))
          : null
        : optionValue(definition, value),
    ];
  });
  return Object.fromEntries(entries);
}

/** The same, as the query of one panel's address. */
export function requestQuery(definitions, state, asOf) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(requestParameters(definitions, state, asOf))) {
    for (const item of Array.isArray(value) ? value : [value]) query.append(`p.${name}`, item ?? "");
  }
  return query;
}

const optionValue = (definition, text) =>
  definition.options?.find((option) => String(option.value) === text)?.value ?? text;

/** [start, end) of a range or preset. A preset ends where the default does if that is the day after the snapshot. */
export function rangeOf(value, definition, asOf) {
  if (value?.includes("/")) return value.split("/");
  const resolved = String(definition.default || "").split("/")[1];
  const after = addDays((asOf || new Date().toISOString()).slice(0, 10), 1);
  const end = resolved && Math.abs(Date.parse(resolved) - Date.parse(after)) <= DAY ? resolved : after;
  if (value === "all") return ["1970-01-01", end];
  const [, count, unit] = /^P(\d+)([DM])$/.exec(value) || [0, 12, "M"];
  return [unit === "D" ? addDays(end, -count) : monthsBefore(end, Number(count)), end];
}

function monthsBefore(day, months) {
  const date = new Date(day);
  const target = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - months, 1));
  const last = new Date(Date.UTC(target.getUTCFullYear(), target.getUTCMonth() + 1, 0)).getUTCDate();
  target.setUTCDate(Math.min(date.getUTCDate(), last));
  return isoDay(target);
}
