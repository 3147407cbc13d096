/** Controls for a dashboard's parameters; what they hold is described in parameters.js. */
import { disclosure, el, icon } from "./dom.js";
import { addDays, isDefault, normalDefault, PRESETS, rangeOf } from "./parameters.js";

/**
 * Controls for all parameters, and a button that resets them, hidden while nothing differs. `onchange(state)` is given
 * the whole new state. Returns {element, show(state)}.
 */
export function parameterControls(definitions, asOf, onchange) {
  let state = {};
  const controls = {};
  const change = (name, value) => {
    const next = { ...state, [name]: value };
    state = Object.fromEntries(
      Object.keys(definitions)
        .filter((known) => Object.hasOwn(next, known))
        .map((known) => [known, next[known]]),
    );
    if (isDefault(definitions[name], value)) delete state[name];
    show(state);
    onchange(state);
  };
  for (const [name, definition] of Object.entries(definitions)) {
    const make =
      { date_range: rangeControl, select: definition.multiple ? multipleControl : selectControl, number: fieldControl }[
        definition.type
      ] || fieldControl;
    controls[name] = make(name, definition, asOf, (value) => change(name, value));
  }
  const reset = el(
    "button",
    {
      class: "quiet reset",
      type: "button",
      hidden: true,
      onclick: () => {
        show({});
        onchange({});
      },
    },
    "Reset parameters",
  );
  const element = el(
    "form",
    { class: "parameters", "aria-label": "Parameters", onsubmit: (event) => event.preventDefault() },
    ...Object.values(controls).map((control) => control.element),
    reset,
  );
  const show = (next) => {
    state = next;
    for (const [name, control] of Object.entries(controls))
      control.show(Object.hasOwn(state, name) ? state[name] : normalDefault(definitions[name]));
    reset.hidden = !Object.keys(state).length;
  };
  show({});
  return { element, show };
}

function field(title, ...content) {
  return el("div", { class: "field" }, el("span", { class: "label" }, title), ...content);
}

function rangeControl(name, definition, asOf, change) {
  const title = definition.title || name;
  const [from, to] = ["from", "to"].map((end) =>
    el("input", { type: "date", "aria-label": `${title}: ${end}`, disabled: definition.locked, required: true }),
  );
  const error = el("p", { class: "field-error", role: "alert", hidden: true });
  const presets = PRESETS.map(([value, label, long]) =>
    el("button", { type: "button", title: long, disabled: definition.locked, onclick: () => change(value) }, label),
  );
  let timer;
  const typed = () => {
    clearTimeout(timer);
    const bad = rangeError(from.value, to.value);
    error.hidden = !bad;
    error.textContent = bad;
    for (const input of [from, to]) input.toggleAttribute("aria-invalid", Boolean(bad));
    if (!bad) timer = setTimeout(() => change(`${from.value}/${addDays(to.value, 1)}`), 500);
  };
  from.addEventListener("change", typed);
  to.addEventListener("change", typed);
  const show = (value) => {
    clearTimeout(timer);
    error.hidden = true;
    const [start, end] = rangeOf(value ?? "P12M", definition, asOf);
    from.value = start;
    to.value = addDays(end, -1);
    presets.forEach((button, index) =>
      button.setAttribute(
        "aria-pressed",
        String(rangeOf(PRESETS[index][0], definition, asOf).join("/") === `${start}/${end}`),
      ),
    );
  };
  const group = el(
    "div",
    { class: "range", role: "group", "aria-label": title },
    el("div", { class: "segments" }, ...presets),
    el("div", { class: "dates" }, from, el("span", { "aria-hidden": "true" }, "–"), to),
  );
  return { element: field(title, group, error), show };
}

function rangeError(from, to) {
  if (!from || !to) return "Give both dates.";
  if (from < "1900" || to < "1900") return "Give years from 1900 on.";
  return from > to ? "The first date is after the last." : "";
}

function selectControl(name, definition, asOf, change) {
  const options = [
    ["", "All"],
    ...(definition.options || []).map(({ value, label }) => [String(value), label ?? String(value)]),
  ];
  const select = el(
    "select",
    { disabled: definition.locked },
    ...options.map(([value, label]) => el("option", { value }, label)),
  );
  select.addEventListener("change", () => change(select.value || null));
  const show = (value) => {
    select.value = value ?? "";
  };
  return {
    element: el("label", { class: "field" }, el("span", { class: "label" }, definition.title || name), select),
    show,
  };
}

function fieldControl(name, definition, asOf, change) {
  const isNumber = definition.type === "number";
  const input = el("input", {
    type: isNumber ? "number" : "text",
    step: isNumber ? "any" : null,
    disabled: definition.locked,
    autocomplete: "off",
  });
  const fallback = () => (isNumber ? (definition.default ?? null) : "");
  input.addEventListener("change", () =>
    change(input.value === "" || !input.validity.valid ? fallback() : isNumber ? Number(input.value) : input.value),
  );
  const show = (value) => {
    input.value = value ?? "";
  };
  return {
    element: el("label", { class: "field" }, el("span", { class: "label" }, definition.title || name), input),
    show,
  };
}

function multipleControl(name, definition, asOf, change) {
  const title = definition.title || name;
  const options = (definition.options || []).map(({ value, label }) => ({
    value: String(value),
    label: label ?? String(value),
  }));
  const summary = el("span", { class: "summary" });
  const button = el(
    "button",
    { type: "button", class: "select", "aria-haspopup": "true", disabled: definition.locked },
    summary,
    icon("down"),
  );
  const boxes = options.map((option) => el("input", { type: "checkbox", value: option.value }));
  const rows = options.map((option, index) =>
    el("label", { class: "option" }, boxes[index], el("span", {}, option.label)),
  );
  let timer;
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const later = () => {
    describe();
    clearTimeout(timer);
    timer = setTimeout(() => change(chosen()), 350);
  };
  const describe = () => {
    const labels = options.filter((_, index) => boxes[index].checked).map((option) => option.label);
    summary.textContent = !labels.length
      ? "All"
      : labels.length <= 2
        ? labels.join(", ")
        : `${labels.length} of ${options.length}`;
    button.setAttribute("aria-label", `${title}: ${summary.textContent}`);
  };
  for (const box of boxes) box.addEventListener("change", later);
  const all = el(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: () => {
        boxes.forEach((box) => {
          box.checked = false;
        });
        later();
      },
    },
    "Choose none: all",
  );
  const find =
    options.length > 10
      ? el("input", { type: "search", placeholder: "Search", "aria-label": `Search ${title}` })
      : null;
  find?.addEventListener("input", () =>
    rows.forEach((row, index) => {
      row.hidden = !options[index].label.toLowerCase().includes(find.value.toLowerCase());
    }),
  );
  const panel = el(
    "div",
    { class: "panel", role: "group", "aria-label": title },
    find,
    rows.length ? el("div", { class: "options" }, ...rows) : el("p", { class: "fine" }, "No values"),
    all,
  );
  const show = (value) => {
    clearTimeout(timer);
    boxes.forEach((box) => {
      box.checked = value.includes(box.value);
    });
    describe();
  };
  return { element: field(title, disclosure(button, panel)), show };
}
