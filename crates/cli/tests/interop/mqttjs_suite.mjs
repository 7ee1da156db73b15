// What mqtt.js sees of a broker. Usage: node mqttjs_suite.mjs MODULES URL VERSION [CA TOKEN]
// MODULES is the folder that holds mqtt; URL e.g. mqtt://localhost:1883 or ws://localhost:8083/mqtt.
// Prints `ok <case>` or `FAIL <case>: <why>` for each case; ends with 1 if one failed.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, url, version, ca, token] = process.argv.slice(2);
const mqtt = createRequire(`${modules}/`)("mqtt");
const unique = `${version}-${process.pid}-${Date.now()}`;
const five = version === "5";
const patience = 15_000;

const options = (name, more = {}) => ({
  clientId: `${name}-${unique}`,
  protocolVersion: five ? 5 : 4,
  reconnectPeriod: 0,
  connectTimeout: patience,
  clean: true,
  ...(ca ? { ca: readFileSync(ca) } : {}),
  ...(token ? { username: "token", password: token } : {}),
  ...more,
});

const waitFor = async (done, what) => {
  const until = Date.now() + patience;
  while (!done()) {
    if (Date.now() > until) throw new Error(`${what}: nothing after ${patience / 1000} s`);
    await new Promise((go) => setTimeout(go, 10));
  }
};

const client = async (name, more) => {
  const c = await mqtt.connectAsync(url, options(name, more));
  c.got = [];
  c.on("message", (topic, payload, packet) => c.got.push({ topic, text: payload.toString(), packet }));
  return c;
};

const same = (a, b) => {
  if (JSON.stringify(a) !== JSON.stringify(b)) throw new Error(`${JSON.stringify(a)} is not ${JSON.stringify(b)}`);
};

const cases = {
  async qosBothWays() {
    const [sub, pub] = [await client("jsub"), await client("jpub")];
    await sub.subscribeAsync(`jq/${unique}/#`, { qos: 2 });
    for (const qos of [0, 1, 2]) await pub.publishAsync(`jq/${unique}/${qos}`, `m${qos}`, { qos });
    await waitFor(() => sub.got.length >= 3, "three messages");
    same(sub.got.map((m) => [m.text, m.packet.qos]), [["m0", 0], ["m1", 1], ["m2", 2]]);
    await sub.endAsync();
    await pub.endAsync();
  },
  async retainedAndCleared() {
    const pub = await client("jrp");
    await pub.publishAsync(`jr/${unique}`, "kept", { qos: 1, retain: true });
    const sub = await client("jrs");
    await sub.subscribeAsync(`jr/${unique}`, { qos: 1 });
    await waitFor(() => sub.got.length >= 1, "the retained message");
    same([sub.got[0].text, sub.got[0].packet.retain], ["kept", true]);
    await sub.endAsync();
    await pub.endAsync();
  },
  async sessionResumes() {
    const more = { clean: false, ...(five ? { properties: { sessionExpiryInterval: 600 } } : {}) };
    const sub = await client("jses", more);
    await sub.subscribeAsync(`js/${unique}`, { qos: 1 });
    await sub.endAsync();
    const pub = await client("jsp");
    for (let n = 0; n < 10; n++) await pub.publishAsync(`js/${unique}`, String(n), { qos: 1 });
    const again = mqtt.connect(url, options("jses", more));
    again.got = [];
    again.on("message", (_topic, payload) => again.got.push(payload.toString()));
    await waitFor(() => again.got.length >= 10, "ten messages");
    same(again.got, [...Array(10).keys()].map(String));
    await again.endAsync();
    await pub.endAsync();
  },
  async manyInFlight() {
    const [sub, pub] = [await client("jms"), await client("jmp")];
    await sub.subscribeAsync(`jm/${unique}`, { qos: 1 });
    await Promise.all([...Array(500).keys()].map((n) => pub.publishAsync(`jm/${unique}`, String(n), { qos: 1 })));
    await waitFor(() => sub.got.length >= 500, "500 messages");
    same(sub.got.map((m) => m.text), [...Array(500).keys()].map(String));
    await sub.endAsync();
    await pub.endAsync();
  },
};

let failed = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (why) {
    failed++;
    console.log(`FAIL ${name}: ${why.message}`);
  }
}
process.exit(failed ? 1 : 0);
