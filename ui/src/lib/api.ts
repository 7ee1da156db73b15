// The server's answers. A refusal is a Problem, with the server's own words and remedy.
import type { History, Interface, Overview, Page, Twin } from "./types";

/** A refusal as the server words it (RFC 9457), or a server that was not reached. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    detail: string,
    readonly remedy: string,
    readonly status: number,
  ) {
    super(detail);
  }
}

/** Sends a request and reads the answer as JSON. */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const answer = await send(path, init);
  const text = await answer.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** Sends a request; a refusal is thrown. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem("offline", "the server was not reached", "see whether it is running: gemelli doctor", 0);
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

async function refusal(answer: Response): Promise<Problem> {
  const body = await answer.json().catch(() => ({}));
  const inner = body.error ?? {};
  return new Problem(
    body.code ?? inner.code ?? "refused",
    body.detail ?? inner.message ?? `the server answered ${answer.status}`,
    body.remedy ?? inner.innererror?.remedy ?? "",
    answer.status,
  );
}

const part = encodeURIComponent;

export const overview = () => ask<Overview>("/v1/overview");
export const twin = (id: string) => ask<Twin>(`/v1/twins/${part(id)}`);
export const interfaces = () => ask<Page<Interface>>("/v1/objects/Interface").then((page) => page.items);

/** A page of twins, by id. */
export function twins(options: { interface?: string; after?: string; limit?: number }, signal?: AbortSignal) {
  return ask<Page<Twin>>(`/v1/twins?${search({ limit: 500, ...options })}`, { signal: signal ?? null });
}

/** What happened to a twin, oldest first. */
export function history(id: string, options: { from?: string; to?: string; after?: number; limit?: number }) {
  return ask<Page<History>>(`/v1/twins/${part(id)}/history?${search(options)}`);
}

/** Changes a twin by JSON Patch, if it still is as it was read. */
export function patch(id: string, operations: unknown[], etag: string) {
  return send(`/digitaltwins/${part(id)}`, {
    method: "PATCH",
    headers: { "content-type": "application/json-patch+json", "if-match": etag },
    body: JSON.stringify(operations),
  });
}

function search(options: Record<string, string | number | undefined>): string {
  const known = Object.entries(options).filter(([, value]) => value !== undefined && value !== "");
  return new URLSearchParams(known.map(([key, value]) => [key, String(value)])).toString();
}
