// SPDX-License-Identifier: Apache-2.0

import { followEvents } from "./api.js";
import { element } from "./element.js";
import { clock } from "./text.js";

const kept = 2000; // records

// Log follows the event log, where the API has it.
export class Log {
  constructor(changed) {
    this.records = []; // the newest first
    this.version = 0;
    this.open = false;
    this.changed = changed;
  }

  follow() {
    if (this.open) return;
    this.open = true;
    followEvents((record) => {
      if (this.records.length > 0 && record.seq <= this.records[0].seq) return;
      this.records.unshift(record);
      this.records.length = Math.min(this.records.length, kept);
      this.touch();
    }, (message) => {
      if (message.includes("begun anew")) this.records = [];
      this.touch();
    });
  }

  // touch tells of a change once for all records that come together.
  touch() {
    this.version++;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.changed();
    }, 100);
  }

  of(extension) { return this.records.filter((r) => r.extension === extension); }
}

// eventList shows records.
export function eventList(records, named) {
  if (records.length === 0) return element("p", { className: "quiet", textContent: "None in the log." });
  return element("ol", { className: "events" }, ...records.map((r) => element("li", { "data-severity": r.severity },
    element("time", { dateTime: r.time, textContent: clock(r.time) }), element("span", { className: "kind", textContent: r.kind }),
    ...(named && r.extension ? [element("a", { href: `#ext/${r.extension}`, textContent: r.extension })] : []),
    element("p", { textContent: r.message }))));
}

// latestEvents shows the newest in a line each.
export function latestEvents(records) {
  if (records.length === 0) return element("p", { className: "quiet", textContent: "No events in the log." });
  return element("ol", {}, ...records.map((r) => element("li", { "data-severity": r.severity, title: r.message },
    element("time", { dateTime: r.time, textContent: clock(r.time).slice(11), title: clock(r.time) }),
    element("span", { className: "kind", textContent: r.kind }),
    ...(r.extension ? [element("a", { href: `#ext/${r.extension}`, textContent: r.extension })] : []),
    element("span", { className: "message", textContent: r.message }))));
}

// EventPanel is the whole log in the panel.
export class EventPanel {
  constructor(log) {
    this.log = log;
    this.out = element("div");
    this.root = element("article", {}, element("header", {}, element("h2", { textContent: "Events" }),
      element("a", { href: "#", className: "close", title: "Close", ariaLabel: "Close", textContent: "×" })), this.out);
  }

  show() {
    if (this.log.version === this.shown) return;
    this.shown = this.log.version;
    this.out.replaceChildren(eventList(this.log.records.slice(0, 300), true));
  }
}
