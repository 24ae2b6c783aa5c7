// SPDX-License-Identifier: Apache-2.0

import * as api from "./api.js";
import { Detail } from "./detail.js";
import { find, say } from "./element.js";
import { EventPanel, latestEvents, Log } from "./events.js";
import { List } from "./list.js";
import { Model } from "./model.js";
import { Plot } from "./plot.js";
import { age, bits, memory, perSecond, whole } from "./text.js";

const interval = 2000; // milliseconds between readings
const soon = 500; // after the first reading: there is no rate without a second one
const resort = 6000; // milliseconds that an order stands, so that nobody has to chase a row

const model = new Model();
const list = new List(find("list"));
const log = new Log(showEvents);
const totals = { to_cloud: new Plot("cloud"), to_customer: new Plot("customer"), drops: new Plot("drops") };
const view = { words: "", filter: "all", order: "trouble", sorted: 0 };
let panel = null; // Detail or EventPanel
let extension = null; // the document of the extension in the panel
let sources = []; // of its drops
let timer;

// read takes a reading and shows it. One that takes long is not followed by the next at once.
async function read() {
  clearTimeout(timer);
  const began = performance.now();
  let first = false;
  try {
    first = model.at === undefined;
    const table = await api.readTable();
    model.take(table, (began + performance.now()) / 2); // when the gateway was read
    if (panel instanceof Detail) await readDetail(panel.name);
    alive();
    show();
  } catch (fault) {
    dead(fault);
  }
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(read, first ? soon : Math.max(interval, 4 * (performance.now() - began)));
}

async function readDetail(name) {
  extension = await api.readExtension(name);
  sources = extension && api.access ? await api.readSources(name) : [];
}

function alive() {
  find("live").dataset.state = "live";
  say(find("live"), "live");
  if (api.access) log.follow();
  find("lately").hidden = !api.access;
  find("reading").hidden = Boolean(api.access);
}

function dead(fault) {
  find("live").dataset.state = "dead";
  const network = fault instanceof TypeError || fault.name === "TimeoutError";
  say(find("live"), network ? "no answer: the daemon or the way to it is gone; frames go on without it" : fault.message);
}

function show() {
  showGateway();
  showTotals();
  showFilters();
  showList(false);
  showPanel();
}

function showGateway() {
  const g = model.gateway;
  document.title = `${g.name} – Drawbridge`;
  say(find("name"), g.name);
  const underlay = `${g.underlay.interfaces.join(", ")} ${g.underlay.address || "no VTEP address"}, MTU ${g.underlay.mtu}`;
  say(find("about"), `engine ${g.engine} · underlay ${underlay} · up ${age(g.uptime_seconds)} · kernel memory ${memory(g.kernel_memory_bytes)} · version ${g.version}`);
  find("about").title = g.engine_reason;
}

function showTotals() {
  for (const [direction, id] of [["to_cloud", "sum-cloud"], ["to_customer", "sum-customer"]]) {
    say(find(id), bits(model.sum(direction, "bits")));
    say(find(`${id}-frames`), perSecond(model.sum(direction, "frames"), "frames"));
  }
  const drops = model.drops;
  for (const [key, least] of [["to_cloud", 1000], ["to_customer", 1000], ["drops", 1]]) totals[key].draw(model.past[key], least);
  say(find("sum-drops"), perSecond(drops));
  find("sum-drops").classList.toggle("some", drops > 0);
  const largest = model.largest[0];
  say(find("sum-busiest"), largest ? `most so far: ${largest.reason} of ${largest.extension}` : "none so far");
  const strangers = model.interfaces.reduce((sum, i) => sum + Object.values(i.drops).reduce((a, b) => a + b, 0), 0);
  const lost = model.interfaces.reduce((sum, i) => sum + i.lost, 0);
  say(find("sum-nics"), model.interfaces.map((i) => i.name).join(", "));
  say(find("sum-nics-lost"), `${whole(strangers)} of no extension · ${whole(lost)} lost`);
}

function showFilters() {
  const counts = model.count();
  for (const button of find("filters").children) {
    const n = counts[button.dataset.filter];
    say(button.querySelector("b"), whole(n));
    button.toggleAttribute("data-some", n > 0);
    button.setAttribute("aria-pressed", button.dataset.filter === view.filter);
  }
}

// showList orders anew when somebody asked for it, or after a while; else rows keep their places.
function showList(asked) {
  const now = performance.now();
  if (asked || (now - view.sorted > resort && !list.busy) || view.sorted === 0) {
    view.sorted = now;
    list.show(model.select(view.words, view.filter, view.order));
  } else {
    list.show(list.items.map((e) => model.extensions.get(e.name)).filter(Boolean));
  }
  const nothing = list.items.length === 0;
  find("nothing").hidden = !nothing;
  if (nothing) say(find("nothing"), model.extensions.size === 0 ? "This gateway has no extensions." : "No extension fits.");
}

// openPanel follows the address: #ext/NAME, #events, or nothing.
function openPanel() {
  const [kind, name] = location.hash.slice(1).split("/");
  extension = null;
  if (kind === "ext" && name) panel = new Detail(decodeURIComponent(name), log, read);
  else if (kind === "events") panel = new EventPanel(log);
  else panel = null;
  list.selected = panel?.name ?? "";
  document.body.classList.toggle("split", panel !== null);
  find("panel").hidden = panel === null;
  find("panel").replaceChildren(...(panel ? [panel.root] : []));
  find("panel").scrollTop = 0;
  list.draw();
  if (panel) {
    showPanel();
    find("panel").focus({ preventScroll: true });
    read();
  }
}

function showEvents() {
  find("latest").replaceChildren(latestEvents(log.records.slice(0, 3)));
  showPanel();
}

function showPanel() {
  if (panel instanceof EventPanel) panel.show();
  else if (panel && model.at !== undefined && extension !== undefined && (extension === null || extension.name === panel.name)) {
    const row = model.extensions.get(panel.name);
    if (extension || !row) panel.show(row, extension, { now: Date.now(), span: model.span, sources });
  }
}

find("search").addEventListener("input", (e) => {
  view.words = e.target.value;
  scrollTo({ top: Math.min(scrollY, find("extensions").offsetTop) });
  showList(true);
});
find("filters").addEventListener("click", (e) => {
  const button = e.target.closest("button");
  if (!button) return;
  view.filter = button.dataset.filter;
  showFilters();
  showList(true);
});
find("sort").addEventListener("change", (e) => {
  view.order = e.target.value;
  showList(true);
});
addEventListener("keydown", (e) => {
  if (e.key === "Escape" && panel && !find("question").open) location.hash = "";
  if (e.key === "/" && !["INPUT", "SELECT"].includes(document.activeElement.tagName)) {
    e.preventDefault();
    find("search").focus();
  }
});
addEventListener("hashchange", openPanel);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) read();
});

find("sum-cloud-plot").append(totals.to_cloud.root);
find("sum-customer-plot").append(totals.to_customer.root);
find("sum-drops-plot").append(totals.drops.root);
openPanel();
if (!panel) read();
