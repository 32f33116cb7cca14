/** Talking to the service. Addresses are relative, so that it may lie behind a prefix. */

import { bearer } from "./key.js";

const ATTEMPTS = 6;

/** What went wrong, in words for people; `type` as problem details (RFC 9457) have it. */
export class Problem extends Error {
  constructor({ type, title, detail }) {
    super(detail ? `${title}: ${detail}` : title);
    this.type = type;
  }
}

/**
 * Get a JSON document.
 *
 * @throws {Problem}
 */
export async function get(path, signal) {
  const response = await answered(path, { signal });
  return response.json();
}

/**
 * Get text.
 *
 * @throws {Problem}
 */
export async function text(path, signal) {
  const response = await answered(path, { signal });
  return response.text();
}

/**
 * Send a photo; waits for a model that is still being loaded.
 *
 * @param {string} route - as "classify"
 * @param {{photo: Blob, signal: AbortSignal}} question
 * @param {Object<string, string|number|boolean|undefined>} options - those without a value are left out
 * @returns {Promise<Response>}
 * @throws {Problem}
 */
export async function post(route, { photo, signal }, options) {
  const request = {
    method: "POST",
    body: photo,
    headers: { "Content-Type": "application/octet-stream", Accept: "application/json" },
    signal,
  };
  return answered(address(route, options), request);
}

/** A route with its options as a query. */
export function address(route, options) {
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== "");
  const query = new URLSearchParams(given).toString();
  return query ? `${route}?${query}` : route;
}

/** What JSON has in base64, as a file of this media type. */
export function decoded(base64, type) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type });
}

async function answered(path, request) {
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetched(path, request);
    if (response.ok) return response;
    const problem = await described(response);
    if (problem.type !== "urn:seewhy:not-ready" || attempt === ATTEMPTS) throw problem;
    await pause(Number(response.headers.get("Retry-After")) || 1, request.signal);
  }
}

async function fetched(path, request) {
  try {
    return await fetch(path, { ...request, headers: { ...request.headers, ...bearer() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "The service does not answer", detail: "is it running?" });
  }
}

async function described(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (type.startsWith("application/problem+json")) return new Problem(await response.json());
  return new Problem({ title: `The service answered ${response.status}` });
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
