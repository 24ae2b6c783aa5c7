// SPDX-License-Identifier: Apache-2.0

import * as api from "./api.js";
import { element, say } from "./element.js";
import { Plot } from "./plot.js";
import { question } from "./question.js";
import { eventList } from "./events.js";
import { age, bits, clock, perSecond, whole } from "./text.js";

const shownReasons = 12;
const shownMACs = 1000;
const directions = [["to_cloud", "cloud", "To cloud"], ["to_customer", "customer", "To customer"]];

// Detail is one extension in the panel.
export class Detail {
  constructor(name, log, changed) {
    this.name = name;
    this.log = log;
    this.changed = changed;
    this.bridge = element("span", { className: "pill" });
    this.reason = element("p", { className: "why" });
    this.facts = element("dl", { className: "facts" });
    this.raise = element("button", { type: "button", textContent: "Raise…", onclick: () => this.ask("raise") });
    this.lower = element("button", { type: "button", textContent: "Lower…", onclick: () => this.ask("lower") });
    this.buttons = element("div", { className: "buttons", hidden: true }, this.raise, this.lower);
    this.flows = directions.map(([key, kind, title]) => new Flow(key, kind, title));
    this.reasons = element("tbody");
    this.none = element("p", { className: "quiet", textContent: "None so far." });
    this.drops = element("table", {}, element("thead", {}, element("tr", {},
      element("th", { textContent: "Reason" }), element("th", { textContent: "Direction" }),
      element("th", { textContent: "Now", className: "number" }), element("th", { textContent: "Frames", className: "number" }))), this.reasons);
    this.drops.hidden = true;
    this.sources = new Sources();
    this.macs = new MACs(name);
    this.events = element("div");
    this.history = section("Events", this.events);
    this.history.hidden = true;
    this.root = element("article", {},
      element("header", {}, element("h2", {}, name), this.bridge, element("a", { href: "#", className: "close", title: "Close", ariaLabel: "Close", textContent: "×" })),
      this.reason, this.buttons, element("div", { className: "flows" }, ...this.flows.map((f) => f.root)),
      section("Drops by reason", this.none, this.drops), this.sources.root, this.macs.root, this.history, section("Extension", this.facts));
  }

  // show takes the page's own row, which has the rates, and the extension's document, which has the reasons.
  show(row, e, { now, span, sources }) {
    if (!e || !row) {
      say(this.bridge, "gone");
      this.bridge.dataset.bridge = "down";
      say(this.reason, "No extension has this name any more.");
      this.buttons.hidden = true;
      return;
    }
    say(this.bridge, e.bridge);
    this.bridge.dataset.bridge = e.bridge;
    say(this.reason, [`For ${age(now / 1000 - row.since)}`, e.reason].filter(Boolean).join(" · "));
    this.buttons.hidden = api.access !== "change";
    this.raise.disabled = e.bridge === "raised";
    this.lower.disabled = e.bridge === "lowered" || e.bridge === "down";
    for (const f of this.flows) f.show(row, span);
    this.showReasons(e);
    this.sources.show(sources);
    this.macs.show(e.macs);
    this.showFacts(e);
    this.showEvents();
  }

  showReasons(e) {
    if (e === this.document) return; // shown already: there is nothing to count from
    this.document = e;
    const found = [];
    const time = performance.now();
    const counts = {};
    for (const [key, , title] of directions) {
      for (const [what, drops] of [["", e[key].drops], ["would drop", e[key].would_drop]]) {
        for (const [reason, n] of Object.entries(drops)) {
          const id = `${key} ${what} ${reason}`;
          counts[id] = n;
          const was = this.counts?.[id] ?? (this.counts ? 0 : n);
          const now = this.counts ? Math.max(0, n - was) / ((time - this.counted) / 1000) : 0;
          found.push({ reason, what, title: title.toLowerCase(), n, now });
        }
      }
    }
    this.counts = counts;
    this.counted = time;
    found.sort((a, b) => b.now - a.now || b.n - a.n || (a.reason < b.reason ? -1 : 1));
    this.none.hidden = found.length > 0;
    this.drops.hidden = found.length === 0;
    this.reasons.replaceChildren(...found.slice(0, shownReasons).map((f) => element("tr", { className: f.now > 0 ? "some" : "" },
      element("td", { textContent: f.reason }, ...(f.what ? [element("small", { textContent: ` ${f.what}` })] : [])),
      element("td", { textContent: f.title }),
      element("td", { textContent: f.now > 0 ? perSecond(f.now) : "–", className: "number" }),
      element("td", { textContent: whole(f.n), className: "number" }))));
  }

  showFacts(e) {
    const facts = {
      Description: e.description, Circuit: `${e.attachment.interface}:${e.attachment.vlan}`,
      Overlay: `${e.overlay.encapsulation}, VNI ${e.overlay.vni}`, VTEPs: e.overlay.peers.join(", ") || "none", Since: clock(e.since),
      "Frames to cloud": counters(e.to_cloud), "Frames to customer": counters(e.to_customer),
    };
    const text = JSON.stringify(facts);
    if (text === this.factsShown) return;
    this.factsShown = text;
    this.facts.replaceChildren(...Object.entries(facts).filter(([, v]) => v).flatMap(([k, v]) => [element("dt", { textContent: k }), element("dd", { textContent: v })]));
  }

  showEvents() {
    this.history.hidden = !this.log.open;
    if (this.log.version === this.logShown) return;
    this.logShown = this.log.version;
    this.events.replaceChildren(eventList(this.log.of(this.name).slice(0, 50), false));
  }

  async ask(what) {
    const raising = what === "raise";
    const done = await question({
      title: raising ? `Raise ${this.name}?` : `Lower ${this.name}?`,
      text: raising ? "Nothing flows on this extension, either way, until somebody lowers it." : "Frames flow again at once, subject to the guards.",
      yes: raising ? "Raise" : "Lower", danger: raising, reason: raising,
      act: (reason) => (raising ? api.raise(this.name, reason) : api.lower(this.name)),
    });
    if (done) this.changed();
  }
}

const section = (title, ...content) => element("section", {}, element("h3", { textContent: title }), ...content);

function counters(c) {
  const more = [[c.copies, "copies"], [c.generated, "our own"]].filter(([n]) => n > 0).map(([n, what]) => `, ${whole(n)} ${what}`);
  return `${whole(c.rx.frames)} came, ${whole(c.tx.frames)} left${more.join("")}`;
}

// Flow is one direction: what flows above, what is dropped below.
class Flow {
  constructor(key, kind, title) {
    this.key = key;
    this.now = element("strong");
    this.more = element("small");
    this.top = element("small", { className: "top" });
    this.plot = new Plot(kind);
    this.dropNow = element("small");
    this.dropPlot = new Plot("drops");
    this.root = element("section", { className: "flow" }, element("h3", { textContent: title }),
      element("p", {}, this.now, " ", this.more), element("div", { className: "big" }, this.plot.root), this.top,
      element("p", {}, this.dropNow), element("div", { className: "low" }, this.dropPlot.root));
  }

  show(row, span) {
    const d = row[this.key];
    say(this.now, bits(d.bits));
    say(this.more, perSecond(d.frames, "frames"));
    say(this.top, `max ${bits(this.plot.draw(d.pastBits, 1000))} in ${age(span)}`);
    say(this.dropNow, d.drops > 0 ? perSecond(d.drops, "dropped") : "nothing dropped");
    this.dropNow.classList.toggle("some", d.drops > 0);
    this.dropPlot.draw(d.pastDrops, 1);
  }
}

// Sources is who is behind the drops of the last seconds, where the API tells.
class Sources {
  constructor() {
    this.none = element("p", { className: "quiet", textContent: "Nobody: nothing was dropped in the last ten seconds." });
    this.rows = element("tbody");
    this.table = element("table", {}, element("thead", {}, element("tr", {}, element("th", { textContent: "MAC" }), element("th", { textContent: "Sends" }),
      element("th", { textContent: "As" }), element("th", { textContent: "Share", className: "number" }))), this.rows);
    this.root = section("Busiest sources", this.none, this.table);
  }

  show(sources) {
    this.root.hidden = !api.access;
    this.none.hidden = sources.length > 0;
    this.table.hidden = sources.length === 0;
    this.rows.replaceChildren(...sources.map((s) => element("tr", {},
      element("td", {}, element("code", { textContent: s.mac })),
      element("td", { textContent: `to ${s.to}` }),
      element("td", { textContent: [s.ip, s.vlan && `VLAN ${s.vlan}`].filter(Boolean).join(", ") || "–" }),
      element("td", { textContent: `${Math.round(100 * s.share)} %`, className: "number" }))));
  }
}

// MACs counts the FDB by side, and lists it when asked, where the API does.
class MACs {
  constructor(name) {
    this.name = name;
    this.sides = { customer: new Share("customer"), cloud: new Share("cloud") };
    this.button = element("button", { type: "button", textContent: "List them", hidden: true, onclick: () => this.list() });
    this.out = element("div", { className: "scroll" });
    this.root = section("MACs", ...Object.values(this.sides).map((s) => s.root), this.button, this.out);
  }

  show(macs) {
    for (const [side, share] of Object.entries(this.sides)) share.show(macs[side], macs.limit);
    this.button.hidden = !api.access;
  }

  async list() {
    this.button.disabled = true;
    try {
      const macs = await api.readMACs(this.name);
      const more = macs.length > shownMACs ? [element("p", { className: "quiet", textContent: `and ${whole(macs.length - shownMACs)} more: drawbridge macs ${this.name}` })] : [];
      this.out.replaceChildren(macTable(macs.slice(0, shownMACs)), ...more);
      this.button.textContent = "List them again";
    } catch (fault) {
      this.out.replaceChildren(element("p", { className: "fault", textContent: fault.message }));
    }
    this.button.disabled = false;
  }
}

function macTable(macs) {
  if (macs.length === 0) return element("p", { className: "quiet", textContent: "None." });
  const head = ["MAC", "Where", "Age", ""].map((t) => element("th", { textContent: t }));
  return element("table", { className: "list" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...macs.map((m) => element("tr", {},
    element("td", {}, element("code", { textContent: m.mac })),
    element("td", { textContent: m.vtep || m.side }),
    element("td", { textContent: age(m.age_seconds) }),
    element("td", { textContent: [m.static && "static", m.frozen && "frozen", m.moves > 0 && `${m.moves} moves`].filter(Boolean).join(", ") })))));
}

// Share is one side's part of the limit.
class Share {
  constructor(side) {
    this.text = element("span");
    this.part = element("span");
    this.meter = element("span", { className: "meter", role: "meter", ariaLabel: `MACs of the ${side}'s side`, ariaValueMin: 0 }, this.part);
    this.root = element("p", { className: "share" }, element("span", { textContent: side }), this.meter, this.text);
  }

  show(count, limit) {
    this.meter.ariaValueMax = limit;
    this.meter.ariaValueNow = count;
    this.meter.classList.toggle("high", count > 0.8 * limit);
    this.part.style.width = `${Math.min(100, (100 * count) / Math.max(1, limit))}%`;
    say(this.text, `${whole(count)} of ${whole(limit)}`);
  }
}
