// The address is the state: `#/twins/x?tab=history` names a page, what it is about, and how it is looked at.

/** Where the reader is. */
export interface Place {
  /** First part of the path: the page. */
  page: string;
  /** Second part: what the page is about; empty for a list. */
  subject: string;
  /** How it is looked at. */
  query: URLSearchParams;
}

function read(): Place {
  const [path = "", search = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [page = "", ...rest] = path.split("/");
  return {
    page: page || "overview",
    subject: rest.map((part) => decode(part)).join("/"),
    query: new URLSearchParams(search),
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

let place = $state.raw(read());
addEventListener("hashchange", () => (place = read()));

/** Where the reader is now; follows the address. */
export function here(): Place {
  return place;
}

/** The address of a page. */
export function link(page: string, subject = "", query: Record<string, string> = {}): string {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  const path = subject === "" ? page : `${page}/${encodeURIComponent(subject)}`;
  return `#/${path}${search === "" ? "" : `?${search}`}`;
}

/** Changes how the same page is looked at, without a new step of the browser's history. */
export function look(changes: Record<string, string>): void {
  const query = Object.fromEntries(place.query);
  for (const [key, value] of Object.entries(changes)) query[key] = value;
  const address = link(place.page, place.subject, query);
  if (address === location.hash) return;
  history.replaceState(null, "", address);
  place = read();
}
