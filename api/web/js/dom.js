/** Elements built node by node. Data reaches the page as text nodes and attributes only, never as markup. */

/** One element. `props`: attributes and `onclick`-like listeners; null and false are left out. Children: nodes, text. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

const ICONS = {
  more: "M5 12h.01M12 12h.01M19 12h.01",
  download: "M12 4v11m0 0-4-4m4 4 4-4M5 20h14",
  reload: "M20 11a8 8 0 1 0-2.3 6.7M20 5v6h-6",
  info: "M12 11v5m0-8.5v.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
  search: "m20 20-4.2-4.2M18 11a7 7 0 1 1-14 0 7 7 0 0 1 14 0Z",
  back: "M15 5l-7 7 7 7",
  down: "m7 10 5 5 5-5",
  alert: "M12 9v4m0 3.5v.01M10.3 4.3 2.8 17.3A2 2 0 0 0 4.5 20.3h15a2 2 0 0 0 1.7-3L13.7 4.3a2 2 0 0 0-3.4 0Z",
  empty: "M4 19h16M7 15v-3m5 3V8m5 7v-5",
  key: "m10.8 12.7 8.7-8.7M15.5 8l3 3M12 15.5a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z",
  leave: "M10 4H5v16h5m5-12 4 4-4 4m4-4H9",
};

/** A decorative line icon, 24 × 24 units. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 24 24",
    class: `icon icon-${name}`,
    "aria-hidden": "true",
  }))
    svg.setAttribute(key, value);
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button that shows and hides `panel`: Escape and a click elsewhere close it. Returns the wrapper, with `close()`. */
export function disclosure(button, panel, className = "pop") {
  const wrapper = el("div", { class: className }, button, panel);
  const toggle = (open) => {
    panel.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    wrapper.classList.toggle("open", open);
    if (open) panel.dispatchEvent(new Event("open"));
  };
  wrapper.close = () => toggle(false);
  button.addEventListener("click", () => toggle(panel.hidden));
  wrapper.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || panel.hidden) return;
    event.stopPropagation();
    toggle(false);
    button.focus();
  });
  wrapper.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !wrapper.contains(event.relatedTarget)) toggle(false);
  });
  toggle(false);
  return wrapper;
}

document.addEventListener("pointerdown", (event) => {
  for (const wrapper of document.querySelectorAll(".open")) if (!wrapper.contains(event.target)) wrapper.close();
});

/** A message for screen readers only. */
export function announce(text) {
  document.getElementById("status").textContent = text;
}

/** A visible message that leaves by itself; read out at once. */
export function toast(title, detail) {
  const node = el(
    "div",
    { class: "toast" },
    icon("alert"),
    el("div", {}, el("strong", {}, title), detail ? el("p", {}, detail) : null),
  );
  const close = el(
    "button",
    { class: "quiet", type: "button", "aria-label": "Dismiss", onclick: () => node.remove() },
    "×",
  );
  node.append(close);
  document.getElementById("toasts").append(node);
  setTimeout(() => node.remove(), 12000);
}

/** A block that says what went wrong, with a way to try again where `retry` is given. */
export function errorBlock(problem, retry) {
  return el(
    "div",
    { class: "state error", role: "alert" },
    icon("alert"),
    el("strong", {}, problem.title || "Something went wrong"),
    problem.detail ? el("p", {}, problem.detail) : null,
    problem.request_id ? el("p", { class: "fine" }, `Request ${problem.request_id}`) : null,
    problem.retryAfter ? el("p", { class: "fine" }, `It may be ready in about ${problem.retryAfter} s.`) : null,
    retry ? el("button", { type: "button", onclick: retry }, "Try again") : null,
  );
}

/** A little of Markdown as nodes: headings, paragraphs, bullets, **bold**, [text](http…). The rest stays text. */
export function markdown(source) {
  const blocks = String(source).split(/\n\s*\n|\n(?=#{1,6} )|(?<=^#{1,6} .*)\n/m);
  return blocks.filter((block) => block.trim()).map(markdownBlock);
}

function markdownBlock(block) {
  const text = block.trim();
  const heading = /^(#{1,6})\s+(.*)$/s.exec(text);
  if (heading) return el("h3", { class: `md-${Math.min(heading[1].length, 4)}` }, ...inline(heading[2]));
  const lines = text.split("\n");
  if (lines.every((line) => /^\s*[-*] /.test(line))) {
    return el(
      "ul",
      {},
      lines.map((line) => el("li", {}, ...inline(line.replace(/^\s*[-*] /, "")))),
    );
  }
  return el("p", {}, ...inline(lines.join(" ")));
}

function inline(text) {
  const pattern = /\*\*([^*]+)\*\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    nodes.push(text.slice(from, match.index));
    nodes.push(
      match[1]
        ? el("strong", {}, match[1])
        : el("a", { href: match[3], target: "_blank", rel: "noopener noreferrer" }, match[2]),
    );
    from = match.index + match[0].length;
  }
  return [...nodes, text.slice(from)];
}
