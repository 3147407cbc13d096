/** What all charts share: colours of the two themes, fonts, the box that follows the pointer. */
import { el } from "./dom.js";
import { number, plotted } from "./format.js";
import { OTHER } from "./series.js";

const COLOURS = {
  light: ["#2f6bde", "#e06c10", "#14998a", "#8a1f66", "#9588e9", "#b3261e", "#25357f", "#7d8a1c"],
  dark: ["#5b93f5", "#f0913f", "#35d6c0", "#c04a9c", "#cfc4ff", "#e0493f", "#7d74e0", "#c9d05a"],
};

let palettes = COLOURS;

const DARK = window.matchMedia("(prefers-color-scheme: dark)");

const CALM = window.matchMedia("(prefers-reduced-motion: reduce)");

/** Whether the page is dark now. */
export const isDark = () => DARK.matches;

/** The colours of series from now on, {light, dark}; null: the page's own. */
export function usePalettes(given) {
  palettes = given || COLOURS;
}

/** Calls back when the page changes between light and dark. */
export const onThemeChange = (callback) => DARK.addEventListener("change", callback);

/** A custom property of the sheet, as it is in the present theme. */
export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A colour for every name: a name keeps its place in `memory` through a dashboard, no two in one chart share one. */
export function colours(names, memory) {
  const palette = palettes[DARK.matches ? "dark" : "light"];
  const taken = new Set();
  return names.map((name) => {
    if (name === OTHER) return css("--other");
    let place = memory.get(name) ?? 0;
    if (!memory.has(name) || taken.has(place)) {
      place = palette.findIndex(
        (_, candidate) => !taken.has(candidate) && (memory.has(name) || ![...memory.values()].includes(candidate)),
      );
      if (place < 0) place = palette.findIndex((_, candidate) => !taken.has(candidate));
    }
    if (!memory.has(name)) memory.set(name, place);
    taken.add(place);
    return palette[place];
  });
}

/** A colour "#rrggbb" with an opacity from 0 to 1. */
export function faded(hex, alpha) {
  const part = Math.round(alpha * 255).toString(16);
  return `${hex}${part.padStart(2, "0")}`;
}

/** Text cut to a length, with an ellipsis. */
export const short = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** The options of every chart. `data`: what series.js made. */
export function common(data) {
  Chart.defaults.font.family = css("--font");
  return {
    responsive: true,
    maintainAspectRatio: false,
    locale: "en",
    animation: CALM.matches ? false : { duration: 350 },
    layout: { padding: { top: 6, right: 6 } },
    plugins: { legend: { display: false }, tooltip: tooltip(data) },
  };
}

function tooltip(data) {
  return {
    backgroundColor: css("--tip"),
    titleColor: css("--tip-text"),
    bodyColor: css("--tip-text"),
    footerColor: css("--tip-text"),
    padding: 10,
    cornerRadius: 8,
    boxPadding: 5,
    boxWidth: 9,
    boxHeight: 9,
    titleFont: { family: css("--font"), weight: 600 },
    bodyFont: { family: css("--font") },
    footerFont: { family: css("--font"), weight: 600 },
    usePointStyle: true,
    itemSort: (a, b) => (plotted(b.dataset.raws[b.dataIndex]) ?? 0) - (plotted(a.dataset.raws[a.dataIndex]) ?? 0),
    callbacks: {
      title: ([item]) => (item ? short(data.xs[item.dataIndex].label, 48) : ""),
      label: ({ dataset, dataIndex }) =>
        ` ${short(dataset.label, 32)}  ${number(dataset.raws[dataIndex], dataset.format)}`,
      labelColor: ({ dataset, dataIndex }) => {
        const colour = [dataset.colour].flat().at(Array.isArray(dataset.colour) ? dataIndex : 0);
        return { backgroundColor: colour, borderColor: colour };
      },
    },
  };
}

/** A small square of a colour, for legends. */
export function swatch(colour) {
  const node = el("i", { class: "swatch", "aria-hidden": "true" });
  node.style.background = colour;
  return node;
}
