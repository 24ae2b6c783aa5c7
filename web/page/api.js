// SPDX-License-Identifier: Apache-2.0

// The API that serves this page.

// What the caller may do: "change", "read", or null over TCP, where there is only the status.
export let access = null;

const patience = 15_000; // milliseconds that an answer may take

async function ask(path, options = {}) {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(patience), ...options });
  if (!response.ok) throw new Error(await problem(response));
  return response;
}

// problem is what a problem document says (RFC 9457).
async function problem(response) {
  try {
    const p = await response.json();
    return p.detail || p.title || `the daemon answered ${response.status}`;
  } catch {
    return `the daemon answered ${response.status}`;
  }
}

// readTable reads the whole gateway, in columns.
export async function readTable() {
  const response = await ask("/v1/status?view=table");
  access = response.headers.get("Drawbridge-Access");
  return response.json();
}

// readExtension reads one extension with all its counters; null when it is gone.
export async function readExtension(name) {
  const response = await fetch(`/v1/status?extension=${encodeURIComponent(name)}`, { cache: "no-store", signal: AbortSignal.timeout(patience) });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(await problem(response));
  return (await response.json()).extensions[0];
}

const extension = (name, what) => `/v1/extensions/${encodeURIComponent(name)}/${what}`;

export const readMACs = async (name) => (await ask(extension(name, "macs"))).json();

export const readSources = async (name) => (await ask(extension(name, "sources"))).json();

export const lower = (name) => ask(extension(name, "lower"), { method: "POST" });

export function raise(name, reason) {
  return ask(extension(name, "raise"), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ reason }) });
}

// followEvents hands over the log's records and what comes to it; the browser connects again by itself.
export function followEvents(take, note) {
  const source = new EventSource("/v1/events?follow=true");
  source.addEventListener("message", (e) => take(JSON.parse(e.data)));
  source.addEventListener("note", (e) => note(JSON.parse(e.data).message));
  return source;
}
