/** Shares of a whole: a ring, and beside it the parts with their share and value. */
import { el } from "./dom.js";
import { number, plotted } from "./format.js";
import { colours, common, css, short, swatch } from "./look.js";
import { OTHER } from "./series.js";

const MOST_SLICES = 7;

/** The largest number of parts that are drawn. */
export const MOST_PARTS = MOST_SLICES + 1;

/** Draws the ring on `canvas` and its legend into `box`. Returns the Chart. */
export function drawPie(canvas, box, data, memory) {
  const [one] = data.series;
  const parts = slices(
    data.xs.map((x, position) => ({
      name: x.label,
      raw: one.points[position],
      value: plotted(one.points[position]) ?? 0,
    })),
  );
  const total = parts.reduce((sum, part) => sum + part.value, 0);
  const palette = colours(
    parts.map((part) => part.id || part.name),
    memory,
  );
  const share = (part) => number(total ? part.value / total : 0, "percent");
  const options = { ...common(data), cutout: "64%", layout: { padding: 4 } };
  options.plugins.tooltip.callbacks = {
    ...options.plugins.tooltip.callbacks,
    label: ({ dataIndex }) =>
      ` ${short(parts[dataIndex].name, 32)}  ${number(parts[dataIndex].raw, one.format)} (${share(parts[dataIndex])})`,
    title: () => "",
  };
  box.append(
    el(
      "ul",
      { class: "legend parts" },
      parts.map((part, index) =>
        el(
          "li",
          { title: part.name },
          swatch(palette[index]),
          el("span", {}, part.name),
          el("b", {}, share(part)),
          el("em", {}, number(part.raw, one.format)),
        ),
      ),
    ),
  );
  return new Chart(canvas, {
    type: "doughnut",
    options,
    data: {
      labels: parts.map((part) => part.name),
      datasets: [
        {
          data: parts.map((part) => part.value),
          raws: parts.map((part) => part.raw),
          colour: palette,
          backgroundColor: palette,
          borderColor: css("--surface"),
          borderWidth: 2,
          hoverOffset: 4,
        },
      ],
    },
  });
}

/** The parts in the answer's order; where they are many, the largest and the rest as one. */
function slices(parts) {
  if (parts.length <= MOST_PARTS) return parts;
  const sorted = [...parts].sort((a, b) => b.value - a.value);
  const rest = sorted.slice(MOST_SLICES);
  const value = rest.reduce((sum, part) => sum + part.value, 0);
  return [...sorted.slice(0, MOST_SLICES), { name: `Other (${rest.length})`, id: OTHER, raw: value, value }];
}
