// Server-sent events over fetch: unlike EventSource it tells why it was refused, and it resumes where it was.
import { Problem, send } from "./api";

/** One message of the stream. */
export interface Message {
  id: string;
  event: string;
  data: string;
}

/** What a reader is told. */
export interface Reader {
  message(message: Message): void;
  /** Open, or not and why. */
  state(open: boolean, problem?: Problem): void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

/** Reads a stream until the signal ends it, reconnecting with growing pauses from the last message on. */
export async function follow(path: string, reader: Reader, signal: AbortSignal): Promise<void> {
  let last = "";
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    let problem: Problem | undefined;
    try {
      const headers: Record<string, string> = last === "" ? {} : { "last-event-id": last };
      const answer = await send(path, { signal, headers });
      reader.state(true);
      wait = FIRST_WAIT_MS;
      if (answer.body) await read(answer.body, (message) => {
        if (message.id !== "") last = message.id;
        reader.message(message);
      });
    } catch (error) {
      if (signal.aborted) return;
      problem = error instanceof Problem ? error : undefined;
    }
    if (signal.aborted) return;
    reader.state(false, problem);
    await pause(wait, signal);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

async function read(body: ReadableStream<Uint8Array>, tell: (message: Message) => void): Promise<void> {
  const lines = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  let message: Message = { id: "", event: "message", data: "" };
  for (;;) {
    const { value, done } = await lines.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) {
      if (line === "") {
        if (message.data !== "") tell(message);
        message = { id: "", event: "message", data: "" };
      } else if (line.startsWith("data: ")) {
        message.data += line.slice(6);
      } else if (line.startsWith("id: ")) {
        message.id = line.slice(4);
      } else if (line.startsWith("event: ")) {
        message.event = line.slice(7);
      }
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}
