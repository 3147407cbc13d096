/** A panel's answer as a drawing: Chart.js draws its series on a canvas, in the colours of the theme. */
import { el } from "./dom.js";
import { number, plotted, timeTicks } from "./format.js";
import { colours, common, css, faded, short, swatch } from "./look.js";
import { drawPie, MOST_PARTS } from "./pie.js";
import { axisName, shape } from "./series.js";

/**
 * Draws into `box`. Returns {destroy, notes}, notes being sentences for the reader. `panel`: {title, chart, format};
 * `memories(column)`: the colours given so far for a column's values.
 */
export function draw(box, panel, answer, memories) {
  const canvas = el("canvas", { role: "img" });
  const frame = el("div", { class: "canvas" }, canvas);
  const pie = panel.chart.type === "pie";
  const data = shape(panel.chart, panel.format || {}, answer);
  // Below the ring there is room for a line of 24 px a part; where that is too little, the parts stand beside it.
  const narrow = pie && box.clientWidth < 400 && box.clientHeight - 130 > 24 * Math.min(data.xs.length, MOST_PARTS);
  const columns = answer.columns;
  const memory = memories(pie ? axisName(panel.chart, columns) : panel.chart.series || `y ${panel.title}`);
  canvas.setAttribute(
    "aria-label",
    `${panel.title}: ${panel.chart.type} chart of ${data.xs.length} points. The menu shows it as a table.`,
  );
  box.append(frame);
  box.classList.toggle("with-side", pie);
  box.classList.toggle("tall", narrow);
  const chart = pie ? drawPie(canvas, box, data, memory) : drawAxes(canvas, box, panel.chart, data, memory, frame);
  const notes = [
    data.folded && !panel.chart.stacked && !pie
      ? `${data.folded} smaller series are not drawn; the table has them.`
      : "",
    data.repeated ? "Several rows share a point; the last is drawn." : "",
  ].filter(Boolean);
  return { destroy: () => chart.destroy(), notes };
}

function drawAxes(canvas, box, spec, data, memory, frame) {
  const sideways =
    spec.type === "bar" &&
    data.kind === "category" &&
    longLabels(data.xs) &&
    data.xs.length * 20 < Math.max(frame.clientHeight, 200);
  const stacked = Boolean(spec.stacked) && data.series.length > 1;
  const palette = colours(
    data.series.map((one) => one.id || one.name),
    memory,
  );
  const formats = [...new Set(data.series.map((one) => one.format))];
  const datasets = data.series.map((one, index) => ({
    label: one.name,
    raws: one.points,
    format: one.format,
    colour: palette[index],
    data: data.xs.map((x, position) => point(x, position, one.points[position], data.kind, sideways, stacked)),
    [sideways ? "xAxisID" : "yAxisID"]:
      formats.length === 2 && !stacked && one.format === formats[1] ? "second" : sideways ? "x" : "y",
    ...look(spec.type, palette[index], stacked, data.series.length === 1, index),
  }));
  const chart = new Chart(canvas, {
    type: spec.type === "bar" ? "bar" : "line",
    data: { labels: data.xs.map((x) => x.label), datasets },
    options: axesOptions(data, formats, sideways, stacked),
  });
  if (data.series.length > 1) box.prepend(legend(chart, data.series, palette));
  return chart;
}

function longLabels(xs) {
  return xs.length > 1 && Math.max(...xs.map((x) => x.label.length)) > 9;
}

function point(x, position, raw, kind, sideways, stacked) {
  const value = plotted(raw) ?? (stacked ? 0 : null);
  const along = kind === "category" ? position : x.at;
  return sideways ? { x: value, y: along } : { x: along, y: value };
}

function look(type, colour, stacked, alone, index) {
  if (type === "bar") {
    return {
      backgroundColor: colour,
      hoverBackgroundColor: faded(colour, 0.8),
      borderRadius: stacked ? 1 : 4,
      maxBarThickness: 40,
      borderColor: css("--surface"),
      borderWidth: stacked ? { top: 1, right: 1 } : 0,
      categoryPercentage: 0.78,
      barPercentage: 0.9,
    };
  }
  const fill =
    type === "area"
      ? {
          fill: stacked && index ? "-1" : "origin",
          backgroundColor: alone ? gradient(colour) : faded(colour, stacked ? 0.55 : 0.12),
        }
      : { fill: false };
  return {
    borderColor: colour,
    borderWidth: stacked ? 1.5 : 2,
    pointRadius: lonely,
    pointHoverRadius: 4,
    pointBackgroundColor: colour,
    pointBorderColor: css("--surface"),
    pointHoverBorderColor: css("--surface"),
    pointHoverBorderWidth: 2,
    cubicInterpolationMode: "monotone",
    ...fill,
  };
}

/** A point without neighbours would be invisible as a line. */
function lonely({ dataset, dataIndex }) {
  const y = (position) => dataset.data[position]?.y;
  return y(dataIndex - 1) == null && y(dataIndex + 1) == null ? 3 : 0;
}

function gradient(colour) {
  return ({ chart }) => {
    if (!chart.chartArea) return faded(colour, 0.15);
    const fill = chart.ctx.createLinearGradient(0, chart.chartArea.top, 0, chart.chartArea.bottom);
    fill.addColorStop(0, faded(colour, 0.32));
    fill.addColorStop(1, faded(colour, 0.02));
    return fill;
  };
}

function axesOptions(data, formats, sideways, stacked) {
  const along = alongAxis(data, sideways, stacked);
  const value = valueAxis(formats[0], stacked, data.fromZero);
  const second =
    formats.length === 2 && !stacked
      ? {
          second: {
            ...valueAxis(formats[1], false, data.fromZero),
            position: sideways ? "top" : "right",
            grid: { display: false },
          },
        }
      : {};
  return {
    ...common(data),
    indexAxis: sideways ? "y" : "x",
    interaction: { mode: "index", axis: sideways ? "y" : "x", intersect: false },
    scales: sideways ? { x: value, y: along, ...second } : { x: along, y: value, ...second },
  };
}

function alongAxis(data, sideways, stacked) {
  const base = {
    stacked,
    offset: data.kind === "category" && data.bars,
    grid: { display: false },
    border: { color: css("--line-strong") },
    ticks: { color: css("--muted"), maxRotation: 0, autoSkipPadding: 14 },
  };
  if (data.kind === "category") {
    return {
      ...base,
      type: "category",
      ticks: {
        ...base.ticks,
        autoSkip: !sideways,
        callback(position) {
          const room = sideways ? Math.min(Math.floor(this.chart.width / 17), 24) : 16;
          return short(data.xs[position]?.label ?? "", Math.max(room, 8));
        },
      },
    };
  }
  const ats = data.xs.map((x) => x.at);
  const half = data.bars ? smallestGap(ats) / 2 : ats.length === 1 ? 43200e3 : 0;
  const ends = { type: "linear", min: ats[0] - half, max: ats.at(-1) + half };
  if (data.kind === "number") return { ...base, ...ends };
  return {
    ...base,
    ...ends,
    afterBuildTicks: (scale) => {
      if (ats.length === 1) return void (scale.ticks = [{ value: ats[0], label: data.xs[0].label }]);
      const ticks = timeTicks(
        scale.min,
        scale.max,
        Math.max(Math.floor((scale.chart.width - 60) / 48), 2),
        ats.length > 1 ? smallestGap(ats) : 0,
      );
      scale.ticks = ticks.map(({ at, label }) => ({ value: at, label }));
    },
    ticks: {
      ...base.ticks,
      autoSkip: false,
      align: "center",
      callback: (value, position, ticks) => ticks[position].label,
    },
  };
}

function smallestGap(ats) {
  return ats
    .slice(1)
    .reduce((least, at, position) => Math.min(least, at - ats[position]), ats.length > 1 ? Infinity : 86400e3);
}

function valueAxis(format, stacked, beginAtZero) {
  return {
    type: "linear",
    stacked,
    beginAtZero,
    grid: { color: css("--line"), drawTicks: false },
    border: { display: false },
    ticks: {
      color: css("--muted"),
      padding: 8,
      maxTicksLimit: 6,
      maxRotation: 0,
      precision: format === "integer" ? 0 : undefined,
      callback: (value, position, ticks) => tickText(value, ticks, format),
    },
  };
}

/** Brief where that tells the ticks apart, else with all digits. */
function tickText(value, ticks, format) {
  const brief = ticks.map((tick) => number(tick.value, format, { compact: true }));
  return number(value, format, { compact: new Set(brief).size === brief.length });
}

/** Names with their colours; a click hides and shows a series. */
function legend(chart, series, palette) {
  return el(
    "ul",
    { class: "legend" },
    series.map((one, index) =>
      el(
        "li",
        {},
        el(
          "button",
          {
            type: "button",
            title: one.name,
            "aria-pressed": "true",
            onclick: ({ currentTarget }) => {
              const visible = !chart.isDatasetVisible(index);
              chart.setDatasetVisibility(index, visible);
              currentTarget.setAttribute("aria-pressed", String(visible));
              chart.update();
            },
          },
          swatch(palette[index]),
          el("span", {}, one.name),
        ),
      ),
    ),
  );
}
