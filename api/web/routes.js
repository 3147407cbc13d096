/** The page of a workspace's routing: what is to be decided, the drawing, every table with its evidence. It shows; it changes nothing. */
import { Api } from "./js/api.js";
import { wear } from "./js/brand.js";
import { el, errorBlock, icon } from "./js/dom.js";
import { dateTime } from "./js/format.js";
import { keyIn, keys, takeKey } from "./js/key.js";
import { Decisions } from "./js/routes/decisions.js";
import { Drawing } from "./js/routes/drawing.js";
import { Tables } from "./js/routes/tables.js";
import { askForKey, showBar } from "./js/shell.js";

const byId = (id) => document.getElementById(id);

async function start() {
  takeKey();
  header(null);
  const key = keys.get();
  if (!key) return keyWanted();
  byId("main").replaceChildren(el("p", { class: "page fine" }, "Loading…"));
  const api = new Api(key);
  try {
    const me = await api.json("/v1/me");
    const workspace = me.scope.workspace?.id || new URLSearchParams(location.search).get("workspace");
    if (me.scope.type === "tenant" || me.scope.type === "subtree" || !workspace) return notHere(me.scope.type);
    wear(me.branding);
    header(me);
    await show(api, `/v1/workspaces/${encodeURIComponent(workspace)}/routes`, me.scope.workspace?.name || workspace);
  } catch (problem) {
    if (problem.status === 401) {
      keys.drop();
      return keyWanted("It may be mistyped, expired or revoked. Paste another one.");
    }
    byId("main").replaceChildren(el("div", { class: "page" }, errorBlock(problem, start)));
  }
}

function notHere(scope) {
  const detail =
    scope === "installation"
      ? "This key spans workspaces: add ?workspace= and its name to the address."
      : "The routing of a workspace is for a key of the workspace; this one is a tenant's.";
  byId("main").replaceChildren(el("div", { class: "page" }, errorBlock({ title: "Not with this key", detail })));
}

async function show(api, path, name) {
  const found = await api.json(path);
  document.title = `Routes · ${name}`;
  if (found.shows === "nothing") return byId("main").replaceChildren(nothing());
  const drawing = new Drawing((table) => tables.select(table, { open: true, scroll: true }));
  const tables = new Tables(
    found.tables,
    (names) => drawing.dim(names),
    (table) => drawing.select(table),
  );
  const decisions = new Decisions(found.tables, (table) => tables.select(table, { open: true, scroll: true }));
  byId("main").replaceChildren(
    el("div", { class: "view routes" }, head(found, name), decisions.element, drawing.element, tables.element),
  );
  try {
    const answer = await api.fetch(`${path}/drawing`, { accept: "image/svg+xml" });
    drawing.draw(await answer.text());
    tables.render();
  } catch (problem) {
    drawing.fail(problem);
  }
}

function head(found, name) {
  const counts = {
    tables: found.tables.length,
    open: found.tables.filter((t) => t.decision === "review").length,
    out: found.tables.filter((t) => t.decision === "excluded").length,
  };
  const when =
    found.shows === "review"
      ? `As slicehouse routes saw it ${dateTime(found.reviewed_at)}.`
      : "As it was accepted; slicehouse routes adds rows and evidence.";
  const state = found.is_accepted
    ? el("span", { class: "badge good" }, `accepted, number ${found.accepted.number}`)
    : el(
        "span",
        { class: "badge wait" },
        found.accepted ? `differs from accepted routing ${found.accepted.number}` : "not accepted yet",
      );
  return el(
    "header",
    { class: "routes-head" },
    el("div", { class: "routes-title" }, el("h1", {}, `Routes of ${name}`), state),
    el(
      "p",
      {},
      `${counts.tables} tables: ${counts.tables - counts.open - counts.out} in slices, ${counts.out} excluded, ${counts.open} to decide. ${when}`,
    ),
    found.is_accepted ? null : el("p", { class: "fine" }, "slicehouse routes --accept makes it what refreshes run by."),
  );
}

function nothing() {
  return el(
    "div",
    { class: "page state" },
    icon("empty"),
    el("strong", {}, "Nothing has been reviewed yet"),
    el("p", {}, "Run slicehouse routes: it looks at the source, judges a snapshot, and shows here what it found."),
  );
}

function header(me) {
  showBar(me, { home: "/", links: me?.scope.type === "workspace" ? [["Tenants", "/"]] : [], onleave: start });
}

function keyWanted(detail = null) {
  askForKey({
    title: "See the routes",
    help: "Paste a key of the workspace with routes:view. It stays in this browser tab.",
    why: detail && { title: "This key is not accepted", detail },
    onkey: start,
  });
}

window.addEventListener("hashchange", () => keyIn(location.hash) && start());
start();
