// SPDX-License-Identifier: Apache-2.0

// What the page knows: the last reading, and rates out of those before it. No document in here.

export const samples = 60; // of a plot

const unknown = () => new Float32Array(samples).fill(NaN);

const directions = ["to_cloud", "to_customer"];

// Direction is one direction of an extension: counters, rates a second, and their past, the newest last;
// what was before the first reading is NaN.
class Direction {
  constructor() {
    this.bits = this.frames = this.drops = 0;
    this.pastBits = unknown();
    this.pastDrops = unknown();
  }

  take(tx, bytes, drops, seconds) {
    if (seconds === undefined) return; // too soon: it is compared with a later one
    if (seconds > 0) {
      this.frames = growth(this.tx, tx) / seconds;
      this.bits = (8 * growth(this.bytes, bytes)) / seconds;
      this.drops = growth(this.dropped, drops) / seconds;
      push(this.pastBits, this.bits);
      push(this.pastDrops, this.drops);
    }
    this.tx = tx;
    this.bytes = bytes;
    this.dropped = drops;
  }
}

// shortest is the time, in seconds, below which a rate says nothing: answers come early and late.
const shortest = 0.4;

// growth of a counter; one that was set back has grown by nothing that we know.
const growth = (was, is) => (was === undefined || is < was ? 0 : is - was);

function push(past, value) {
  past.copyWithin(0, 1);
  past[samples - 1] = value;
}

// Extension is a row.
class Extension {
  constructor(name) {
    this.name = name;
    this.to_cloud = new Direction();
    this.to_customer = new Direction();
    this.pastDrops = unknown();
  }

  take(c, i, seconds) {
    this.bridge = c.bridge[i];
    this.reason = c.reason[i];
    this.since = c.since[i];
    this.circuit = `${c.interface[i]}:${c.vlan[i]}`;
    this.vni = c.vni[i];
    this.customer = c.macs.customer[i];
    this.cloud = c.macs.cloud[i];
    this.limit = c.macs.limit[i];
    this.busiest = c.busiest[i];
    for (const d of directions) this[d].take(c[d].tx[i], c[d].tx_bytes[i], c[d].drops[i], seconds);
    if (seconds > 0) push(this.pastDrops, this.drops);
  }

  get drops() { return this.to_cloud.drops + this.to_customer.drops; }
  get bits() { return this.to_cloud.bits + this.to_customer.bits; }
  get words() { return `${this.name} ${this.circuit} ${this.vni}`.toLowerCase(); }
}

// trouble orders what is not lowered, worst first.
const trouble = { "half-raised": 3, raised: 2, down: 1, lowered: 0 };

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

const orders = {
  name: byName,
  rate: (a, b) => b.bits - a.bits || byName(a, b),
  trouble: (a, b) => trouble[b.bridge] - trouble[a.bridge] || b.drops - a.drops || b.bits - a.bits || byName(a, b),
};

export class Model {
  constructor() {
    this.extensions = new Map();
    this.at = undefined;
    this.spans = unknown(); // seconds between readings
    this.past = { to_cloud: unknown(), to_customer: unknown(), drops: unknown() }; // of the whole gateway
  }

  // take adds a reading. Time is in milliseconds, of a clock that only goes on.
  take(table, time) {
    let seconds = this.at === undefined ? 0 : (time - this.at) / 1000;
    if (this.at !== undefined && seconds < shortest) seconds = undefined;
    else this.at = time;
    this.gateway = table.gateway;
    this.interfaces = table.interfaces;
    this.largest = table.largest_drops;
    const before = this.extensions;
    this.extensions = new Map();
    table.extensions.name.forEach((name, i) => {
      const e = before.get(name) ?? new Extension(name);
      e.take(table.extensions, i, before.has(name) ? seconds : 0);
      this.extensions.set(name, e);
    });
    if (seconds > 0) this.remember(seconds);
  }

  remember(seconds) {
    push(this.spans, seconds);
    for (const d of directions) push(this.past[d], this.sum(d, "bits"));
    push(this.past.drops, this.drops);
  }

  get drops() { return directions.reduce((sum, d) => sum + this.sum(d, "drops"), 0); }

  // span is how far the plots reach back, in seconds.
  get span() { return this.spans.reduce((sum, s) => sum + (s || 0), 0); }

  // count counts the extensions of each state, and those that drop just now.
  count() {
    const n = { all: this.extensions.size, lowered: 0, "half-raised": 0, raised: 0, down: 0, dropping: 0 };
    for (const e of this.extensions.values()) {
      n[e.bridge]++;
      if (e.drops > 0) n.dropping++;
    }
    return n;
  }

  // sum adds a rate of a direction up.
  sum(direction, rate) {
    let total = 0;
    for (const e of this.extensions.values()) total += e[direction][rate];
    return total;
  }

  // select is the extensions that fit, in order.
  select(words, filter, order) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (e) =>
      (filter === "all" || filter === e.bridge || (filter === "dropping" && e.drops > 0)) && wanted.every((w) => e.words.includes(w));
    return [...this.extensions.values()].filter(fits).sort(orders[order]);
  }
}
