/** What the page looks like: the branding that the API resolved, as custom properties, name, logos and the line at the end. */
import { el } from "./dom.js";
import { isDark, onThemeChange, usePalettes } from "./look.js";

const PRODUCT = "Slicehouse";
const COLOURS = {
  primary: "--primary",
  on_primary: "--on-primary",
  accent: "--accent",
  accent_soft: "--accent-soft",
  background: "--page",
};
let worn = { look: null, face: null };

/** Wears a branding; `face`: whose name and logo stand in the bar, where they are another's. Null is the product's own. */
export function wear(look, face = look) {
  worn = { look, face };
  paint();
}

/** What the page is called. */
export const brandName = () => worn.face?.name || PRODUCT;

/** Wears what anybody may see at this host. Without an answer the page stays as it is. */
export async function wearByHost() {
  try {
    const answer = await fetch("/v1/branding/by-host", { credentials: "omit" });
    if (answer.ok) wear(await answer.json());
  } catch {
    // The form for the key says it itself if nobody answers.
  }
}

/** Fills the link in the bar with the logo, or the small one and the name. */
export function dress(node) {
  node.replaceChildren(...mark());
  node.title = brandName();
}

function mark() {
  const name = brandName();
  const logos = worn.face?.logos || {};
  const logo = isDark() ? logos.dark : logos.light;
  if (logo) return [el("img", { class: "logo", src: logo, alt: name })];
  const text = el("span", {}, name);
  if (logos.mark) return [el("img", { class: "mark", src: logos.mark, alt: "" }), text];
  if (name === PRODUCT) return [el("img", { class: "mark", src: "/static/favicon.svg", alt: "" }), text];
  return [el("i", { class: "monogram", "aria-hidden": "true" }, letter(name)), text];
}

const letter = (name) => [...name.trim()][0].toLocaleUpperCase();

function paint() {
  const { style } = document.documentElement;
  const theme = worn.look?.colours[isDark() ? "dark" : "light"];
  for (const [name, property] of Object.entries(COLOURS)) set(style, property, theme?.[name]);
  set(style, "--font", worn.look?.font?.stack);
  set(style, "--radius", worn.look?.radius == null ? null : `${worn.look.radius}px`);
  usePalettes(worn.look && { light: worn.look.colours.light.palette, dark: worn.look.colours.dark.palette });
  document.querySelectorAll(".brand").forEach(dress);
  tabIcon(theme);
  const line = document.getElementById("powered");
  line.hidden = worn.look?.powered_by === false;
  line.textContent = `Powered by ${PRODUCT}`;
}

function set(style, property, value) {
  if (value == null) style.removeProperty(property);
  else style.setProperty(property, value);
}

/** The small logo in the tab; without one the first letter of the name, and for the product its own. */
function tabIcon(theme) {
  const icon = document.querySelector("link[rel=icon]");
  const own = worn.face?.logos.mark;
  const address = own || (brandName() === PRODUCT || !theme ? "/static/favicon.svg" : monogram(theme));
  if (icon.getAttribute("href") === address) return;
  icon.removeAttribute("type");
  icon.setAttribute("href", address);
}

function monogram({ primary, on_primary: ink }) {
  const node = (name, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const middle = { x: 16, y: 22.5, "text-anchor": "middle", "font-family": "sans-serif", "font-size": 19, "font-weight": 700, fill: ink };
  const drawing = node(
    "svg",
    { viewBox: "0 0 32 32" },
    node("rect", { width: 32, height: 32, rx: 7, fill: primary }),
    node("text", middle, letter(brandName())),
  );
  return `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(drawing))}`;
}

onThemeChange(paint);
