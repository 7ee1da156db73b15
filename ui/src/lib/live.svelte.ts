// One stream at a time, for the page that is open. What arrives is gathered and handed on at most four times a
// second, so that the screen follows thousands of events a second without redrawing for each.
import type { Problem } from "./api";
import { follow } from "./stream";
import type { History } from "./types";

/** How often the screen hears of what came. */
const EVERY_MS = 250;
/** Most records kept between two of these moments: older ones are counted, not kept. */
const MOST_KEPT = 20_000;

class Link {
  /** The stream is open: what the screen shows is as the server has it. */
  open = $state(false);
  /** Since when it is not, milliseconds since 1970. */
  since = $state(Date.now());
  /** Why the server refused it. */
  problem = $state.raw<Problem | undefined>();
  /** Someone listens. */
  wanted = $state(false);
}

/** The state of the one stream, for the banner. */
export const connection = new Link();

/** What came since the last time. */
export interface Batch {
  records: History[];
  /** Records that came and were not kept, because too many did. */
  dropped: number;
  /** The server left something out: whoever adds up has to read anew. */
  gap: boolean;
}

/** Follows `/v1/stream` with these filters; returns what ends it. */
export function listen(filter: Record<string, string>, hear: (batch: Batch) => void): () => void {
  const search = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== "")).toString();
  let batch: Batch = { records: [], dropped: 0, gap: false };
  const end = open(`/v1/stream${search === "" ? "" : `?${search}`}`, (event, data) => {
    if (event === "gap") {
      batch.gap = true;
    } else if (batch.records.length < MOST_KEPT) {
      batch.records.push(JSON.parse(data) as History);
    } else {
      batch.dropped += 1;
    }
  });
  const timer = setInterval(() => {
    if (batch.records.length === 0 && !batch.gap) return;
    const now = batch;
    batch = { records: [], dropped: 0, gap: false };
    hear(now);
  }, EVERY_MS);
  return () => (clearInterval(timer), end());
}

/** Follows any stream of the server's and keeps the banner's state. */
export function open(path: string, hear: (event: string, data: string) => void): () => void {
  const stop = new AbortController();
  connection.wanted = true;
  connection.since = Date.now();
  void follow(
    path,
    {
      message: ({ event, data }) => hear(event, data),
      state: (open, problem) => {
        if (stop.signal.aborted) return;
        if (connection.open && !open) connection.since = Date.now();
        connection.open = open;
        connection.problem = problem;
      },
    },
    stop.signal,
  );
  return () => {
    stop.abort();
    connection.wanted = false;
    connection.open = false;
  };
}
