// What the server answers, as far as the dashboard reads it.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A page of a list. */
export interface Page<T> {
  items: T[];
  next: string | number | null;
}

/** A value and when it came, RFC 3339. */
export interface Held {
  value: Json;
  updated: string | null;
}

export interface Edge {
  id: string;
  name: string;
  target: string;
  properties: Json;
}

export interface Incoming {
  id: string;
  name: string;
  source: string;
}

export interface Twin {
  id: string;
  interface: string;
  etag: string;
  lifecycle: string;
  connected: boolean;
  entanglement?: number | null;
  lastUpdateTime: string | null;
  lastReportTime: string | null;
  properties: Record<string, Held>;
  telemetry: Record<string, Held>;
  derived: Record<string, Held>;
  relationships: Edge[];
  incoming: Incoming[];
}

/** A record as history and stream show it. */
export interface History {
  seq: number;
  accepted: string;
  category: string;
  interface?: string;
  twin?: string;
  topic?: string;
  id?: string;
  time?: string;
  command?: string;
  source?: string;
  data?: Json;
}

export interface Member {
  name: string;
  schema?: Json;
  displayName?: string;
  description?: string;
  unit?: string;
  writable?: boolean;
  derived?: { expression?: string; aggregate?: { op: string; over: string; direction: string; of?: string; interface?: string } };
}

export interface Relationship {
  name: string;
  target?: string;
  maxMultiplicity?: number;
}

export interface Interface {
  metadata: { name: string };
  spec: {
    displayName?: string;
    description?: string;
    extends?: string[];
    properties?: Member[];
    telemetry?: Member[];
    commands?: { name: string; request?: Json; response?: Json }[];
    relationships?: Relationship[];
    components?: { name: string; interface?: string }[];
    [key: string]: unknown;
  };
}

export interface Overview {
  node: { version: string; id: string; data: string };
  health: { status: string; reason?: string };
  events: { perSecond: number[]; total: number };
  records: number;
  twins: {
    count: number;
    perInterface: { interface: string; twins: number }[];
    lifecycle: { state: string; twins: number }[];
  };
  mqtt: { connections: number; sessions: number };
  deadLetters: { total: number; latest: Letter[] };
  /** Places of the model that have an air-quality index over others, worst first. */
  airQuality: { name: string; index: number | null; category: string | null }[];
  addresses: { name: string; address: string }[];
  next: string[];
}

export interface Letter {
  seq?: number;
  accepted?: string;
  code: string;
  reason: string;
  origin: string;
  payload?: string;
}
