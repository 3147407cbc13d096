/** Rows as series along one axis: what a chart draws, without drawing it. */
import { cell, instant, kindOf, plotted, words } from "./format.js";

const MOST_SERIES = 8;

/** Stands in a colour's place for what was added up. */
export const OTHER = Symbol("other");

/** What of `chart` cannot be drawn from these columns, as a sentence; null where all is there. */
export function chartProblem(chart, columns) {
  const missing = [chart.x, chart.series, ...yNames(chart, columns)].filter(
    (name) => name && !columns.some((column) => column.name === name),
  );
  if (missing.length) return `The answer has no column “${missing[0]}”.`;
  if (!yNames(chart, columns).length) return "The answer has no column of numbers.";
  return axisName(chart, columns) ? null : "The answer has no column for the axis.";
}

/** The columns of numbers that a chart shows. */
export function yNames(chart, columns) {
  if (chart.y?.length) return [chart.y].flat();
  const first = columns.find((column) => kindOf(column.type) === "number" && column.name !== chart.x);
  return first ? [first.name] : [];
}

/** The column that runs along the axis. */
export const axisName = (chart, columns) =>
  chart.x ||
  columns.find((column) => !yNames(chart, columns).includes(column.name) && column.name !== chart.series)?.name;

/**
 * Rows to series. Returns {xs: [{key, at, label}], kind: "time" | "number" | "category", bars, fromZero,
 * series: [{name, format, points: [raw]}], folded, repeated}:
 * `points` run along `xs`, undefined where a series has no row; `folded` counts the series added up or left out.
 */
export function shape(chart, format, { columns, rows }) {
  const index = Object.fromEntries(columns.map((column, position) => [column.name, position]));
  const xColumn = columns[index[axisName(chart, columns)]];
  const { xs, order } = axisOf(
    chart,
    xColumn,
    rows.map((row) => row[index[xColumn.name]]),
  );
  const series = new Map();
  let repeated = 0;
  for (const row of rows) {
    for (const name of yNames(chart, columns)) {
      const label = chart.series ? String(row[index[chart.series]] ?? "(none)") : words(name);
      const id = JSON.stringify([label, chart.series ? name : ""]);
      if (!series.has(id)) series.set(id, { name: label, format: format[name], points: new Array(xs.length) });
      const position = order.get(String(row[index[xColumn.name]]));
      if (series.get(id).points[position] !== undefined) repeated += 1;
      series.get(id).points[position] = row[index[name]];
    }
  }
  return {
    xs,
    kind: axisKind(chart, xColumn),
    bars: chart.type === "bar",
    fromZero: chart.type !== "line" || rows.length === 1,
    repeated,
    ...fold([...series.values()], chart),
  };
}

function axisKind(chart, column) {
  const kind = kindOf(column.type);
  if (kind === "date") return "time";
  return kind === "number" && ["line", "area"].includes(chart.type) ? "number" : "category";
}

function axisOf(chart, column, values) {
  const kind = axisKind(chart, column);
  const distinct = new Map(values.map((value) => [String(value), value]));
  let xs = [...distinct].map(([key, value]) => ({
    key,
    at: kind === "time" ? instant(value) : kind === "number" ? plotted(value) : 0,
    label: value == null ? "(none)" : cell(value, column, null),
  }));
  if (kind !== "category") xs = xs.filter((x) => Number.isFinite(x.at) && x.at !== null).sort((a, b) => a.at - b.at);
  return { xs, order: new Map(xs.map((x, position) => [x.key, position])) };
}

function fold(series, chart) {
  if (series.length <= MOST_SERIES) return { series, folded: 0 };
  const size = (one) => one.points.reduce((sum, raw) => sum + Math.abs(plotted(raw) ?? 0), 0);
  const kept = new Set([...series].sort((a, b) => size(b) - size(a)).slice(0, MOST_SERIES - 1));
  const rest = series.filter((one) => !kept.has(one));
  const shown = series.filter((one) => kept.has(one));
  if (!chart.stacked) return { series: shown, folded: rest.length };
  const points = rest[0].points.map((_, position) =>
    rest.reduce((sum, one) => sum + (plotted(one.points[position]) ?? 0), 0),
  );
  return {
    series: [
      ...shown,
      { name: `Other (${rest.length})`, id: OTHER, format: rest[0].format, points: Array.from(points) },
    ],
    folded: rest.length,
  };
}

/** Whether shares of a whole can be drawn: no part is negative and one is more than nothing. */
export function drawablePie(chart, answer) {
  const position = answer.columns.findIndex((column) => column.name === yNames(chart, answer.columns)[0]);
  const values = answer.rows.map((row) => plotted(row[position]) ?? 0);
  return values.every((value) => value >= 0) && values.some((value) => value > 0);
}
