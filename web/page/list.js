// SPDX-License-Identifier: Apache-2.0

import { element, say } from "./element.js";
import { Plot } from "./plot.js";
import { bits, perSecond, whole } from "./text.js";

const spare = 4; // rows above and below what can be seen

// Row is one extension on the screen; it shows another one after scrolling.
class Row {
  constructor() {
    this.name = element("strong");
    this.where = element("small");
    this.bridge = element("span", { className: "pill" });
    this.reason = element("small", { className: "reason" });
    this.cloud = new Rate("cloud", bits, 1000);
    this.customer = new Rate("customer", bits, 1000);
    this.drops = new Rate("drops", (n) => perSecond(n), 1);
    this.macs = element("span");
    this.limit = element("small");
    this.link = element("a", { className: "row" },
      element("span", { className: "title" }, this.name, this.where),
      element("span", { className: "state" }, this.bridge, this.reason),
      this.cloud.root, this.customer.root, this.drops.root,
      element("span", { className: "macs number" }, this.macs, this.limit));
    this.root = element("li", {}, this.link);
  }

  show(e, index, top, selected) {
    this.root.hidden = false;
    const place = `translateY(${top}px)`;
    if (this.root.style.transform !== place) this.root.style.transform = place;
    const href = `#ext/${e.name}`;
    if (this.link.getAttribute("href") !== href) this.link.href = href;
    this.link.toggleAttribute("aria-current", selected);
    this.link.dataset.bridge = e.bridge;
    say(this.name, e.name);
    say(this.where, `${e.circuit} · VNI ${e.vni}`);
    say(this.bridge, e.bridge);
    say(this.reason, e.reason);
    this.reason.title = e.reason;
    this.cloud.show(e.to_cloud.bits, perSecond(e.to_cloud.frames, "frames"), e.to_cloud.pastBits);
    this.customer.show(e.to_customer.bits, perSecond(e.to_customer.frames, "frames"), e.to_customer.pastBits);
    this.drops.show(e.drops, !e.busiest ? "none so far" : e.drops > 0 ? e.busiest : "none now", e.pastDrops);
    this.drops.root.classList.toggle("some", e.drops > 0);
    say(this.macs, `${whole(e.customer)} | ${whole(e.cloud)}`);
    say(this.limit, `of ${whole(e.limit)} a side`);
    this.root.setAttribute("aria-posinset", index + 1);
  }
}

// Rate is a number, what stands below it, and its plot.
class Rate {
  constructor(kind, print, least) {
    this.print = print;
    this.least = least;
    this.number = element("span", { className: "value" });
    this.below = element("small");
    this.plot = new Plot(kind);
    this.root = element("span", { className: `rate ${kind}` }, element("span", { className: "figures" }, this.number, this.below), this.plot.root);
  }

  show(value, below, past) {
    this.root.classList.toggle("none", value === 0);
    say(this.number, this.print(value));
    say(this.below, below);
    this.plot.draw(past, this.least);
  }
}

// List shows thousands of rows with as many elements as fit the window.
export class List {
  constructor(root) {
    this.root = root;
    this.rows = [];
    this.items = [];
    this.selected = "";
    const draw = () => this.draw();
    addEventListener("scroll", draw, { passive: true });
    addEventListener("resize", draw);
  }

  // show replaces what is listed.
  show(items) {
    this.items = items;
    this.draw();
  }

  draw() {
    const height = parseFloat(getComputedStyle(this.root).getPropertyValue("--row"));
    this.root.style.height = `${this.items.length * height}px`;
    const above = -this.root.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(above / height) - spare);
    const last = Math.min(this.items.length, Math.ceil((above + innerHeight) / height) + spare);
    const needed = Math.max(0, last - first);
    while (this.rows.length < needed) {
      const row = new Row();
      this.rows.push(row);
      this.root.append(row.root);
    }
    // A row element keeps its index while it is in sight, and so its focus.
    const free = new Set(this.rows);
    for (let i = first; i < last; i++) {
      const row = this.rows[i % this.rows.length];
      free.delete(row);
      row.show(this.items[i], i, i * height, this.items[i].name === this.selected);
      row.root.setAttribute("aria-setsize", this.items.length);
    }
    for (const row of free) row.root.hidden = true;
  }

  // busy tells whether somebody points at a row or has walked to one: then it should stay where it is.
  get busy() { return this.root.matches(":hover") || this.root.contains(document.activeElement); }
}
