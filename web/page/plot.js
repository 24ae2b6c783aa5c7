// SPDX-License-Identifier: Apache-2.0

import { samples } from "./model.js";

const svg = (tag, attributes) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  return e;
};

const width = samples - 1;
const height = 20;

// Plot is a line over an area, from the oldest sample to the newest. Its colour is its class's.
export class Plot {
  constructor(kind) {
    this.root = svg("svg", { class: `plot ${kind}`, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    this.area = svg("path", { class: "area" });
    this.line = svg("path", { class: "line" });
    this.root.append(this.area, this.line);
  }

  // draw scales to the greatest sample, but not below least. It returns what the top means.
  draw(past, least) {
    let top = least;
    let idle = true;
    for (const v of past) {
      if (v > top) top = v;
      if (v > 0) idle = false;
    }
    const known = past.findIndex((v) => v >= 0);
    let d = "";
    for (let x = known; known >= 0 && x < samples; x++) {
      d += `${x === known ? "M" : "L"}${x} ${(height - 0.5 - (past[x] / top) * (height - 1.5)).toFixed(2)}`;
    }
    if (d !== this.drawn) {
      this.drawn = d;
      this.line.setAttribute("d", d);
      this.area.setAttribute("d", d && `${d}L${width} ${height}L${known} ${height}Z`);
      this.root.classList.toggle("idle", idle);
    }
    return top;
  }
}
