/** What every page has around it: the bar with the brand's name or logo, and the form that asks for a key. */
import { dress } from "./brand.js";
import { el, icon } from "./dom.js";
import { keyIn, keys } from "./key.js";

const byId = (id) => document.getElementById(id);

/** Fills the bar. `me` is null before a key is known; `links` are [name, address] pairs; `onleave` runs once the key is forgotten. */
export function showBar(me, { home, links = [], onleave }) {
  const leave = () => {
    keys.drop();
    onleave();
  };
  const who = el(
    "div",
    { class: "who" },
    ...links.map(([name, address]) => el("a", { class: "bar-link", href: address }, name)),
    me?.principal.label ? el("span", { class: "fine", title: "The key's label" }, me.principal.label) : null,
    el(
      "button",
      { class: "quiet", type: "button", title: "Forget the key in this tab", onclick: leave },
      icon("leave"),
      el("span", {}, "Sign out"),
    ),
  );
  const brand = el("a", { class: "brand", href: home });
  dress(brand);
  byId("top").replaceChildren(brand, ...(me ? [who] : []));
}

/** Asks for a key and keeps it, then runs `onkey`. `why` is a title and a detail: what was wrong with the key before. */
export function askForKey({ title, help, why = null, onkey }) {
  const input = el("input", {
    id: "key",
    name: "key",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    placeholder: "shk_…",
    "aria-describedby": "key-help key-error",
  });
  const error = el("div", { id: "key-error", role: "alert" }, why ? notice(why) : null);
  const submit = (event) => {
    event.preventDefault();
    const key = keyIn(input.value) || input.value.trim();
    if (!/^[\x21-\x7e]+$/.test(key)) {
      error.replaceChildren(
        notice({ title: "This does not look like a key", detail: "A key is one word that begins with shk_." }),
      );
      return input.focus();
    }
    keys.set(key);
    onkey();
  };
  byId("main").replaceChildren(
    el(
      "form",
      { class: "key-form", onsubmit: submit },
      el("span", { class: "key-mark", "aria-hidden": "true" }, icon("key")),
      el("h1", {}, title),
      el("p", { id: "key-help" }, help),
      error,
      el("label", { for: "key" }, "Access key"),
      input,
      el("button", { class: "primary", type: "submit" }, "Continue"),
    ),
  );
  input.focus();
}

function notice({ title, detail }) {
  return el("div", { class: "notice" }, icon("alert"), el("div", {}, el("strong", {}, title), el("p", {}, detail)));
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
