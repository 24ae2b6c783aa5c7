// SPDX-License-Identifier: Apache-2.0

// element makes an element. Text that comes from the gateway is only ever set as text.
export function element(tag, properties = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in e) e[name] = value;
    else e.setAttribute(name, value);
  }
  e.append(...children);
  return e;
}

// say sets an element's text, when it differs: the browser then leaves the rest alone.
export function say(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

// find is the element of that id.
export const find = (id) => document.getElementById(id);
