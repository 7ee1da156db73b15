// Every operation of @azure/digital-twins-core, unchanged, over TLS with our own authority
// (NODE_EXTRA_CA_CERTS). node adt_suite.mjs <node_modules> <url> <token>; prints `ok <what>`, or fails.

import { createRequire } from "node:module";
import assert from "node:assert/strict";

const [modules, url, token] = process.argv.slice(2);
const { DigitalTwinsClient } = createRequire(modules + "/")("@azure/digital-twins-core");
const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600e3 }) };
const client = new DigitalTwinsClient(url, credential);

const ok = (what, holds = true) => {
  assert.ok(holds, what);
  console.log("ok", what);
};
const fails = async (what, status, call) => {
  const error = await call().then(() => null, (caught) => caught);
  ok(what, error?.statusCode === status);
};
const all = async (list) => {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
};

const lamp = {
  "@context": "dtmi:dtdl:context;2", "@id": "dtmi:js:Lamp;1", "@type": "Interface",
  contents: [{ "@type": "Property", name: "on", schema: "boolean" }],
};
const room = {
  "@context": "dtmi:dtdl:context;2", "@id": "dtmi:js:Room;1", "@type": "Interface",
  contents: [
    { "@type": "Property", name: "temperature", schema: "double" },
    { "@type": "Component", name: "lamp", schema: lamp["@id"] },
    { "@type": "Relationship", name: "beside", properties: [{ "@type": "Property", name: "metres", schema: "double" }] },
  ],
};
const twin = (temperature) => ({ $metadata: { $model: room["@id"] }, temperature, lamp: { $metadata: {} } });

const made = await client.createModels([room, lamp]);
ok("createModels", made.length === 2);
await fails("createModels twice", 409, () => client.createModels([room]));
ok("getModel", (await client.getModel(room["@id"], true)).model["@id"] === room["@id"]);
ok("listModels", (await all(client.listModels([room["@id"]], true, 1))).length === 2);
const first = await client.upsertDigitalTwin("js/a ü;:1", JSON.stringify(twin(20)));
ok("upsertDigitalTwin", first.body.$dtId === "js/a ü;:1");
await client.upsertDigitalTwin("js-b", JSON.stringify(twin(21)), { ifNoneMatch: "*" });
await fails("upsertDigitalTwin if missing", 412, () => client.upsertDigitalTwin("js-b", JSON.stringify(twin(1)), { ifNoneMatch: "*" }));
ok("getDigitalTwin", (await client.getDigitalTwin("js/a ü;:1")).body.temperature === 20);
await client.updateDigitalTwin("js-b", [{ op: "replace", path: "/temperature", value: 25 }], { ifMatch: "*" });
await fails("updateDigitalTwin if it matches", 412, () => client.updateDigitalTwin("js-b", [{ op: "replace", path: "/temperature", value: 1 }], { ifMatch: 'W/"0"' }));
ok("updateDigitalTwin", (await client.getDigitalTwin("js-b")).body.temperature === 25);
await client.updateComponent("js-b", "lamp", [{ op: "add", path: "/on", value: true }]);
ok("updateComponent and getComponent", (await client.getComponent("js-b", "lamp")).body.on === true);
const edge = { $relationshipId: "r1", $sourceId: "js-b", $relationshipName: "beside", $targetId: "js/a ü;:1", metres: 2 };
await client.upsertRelationship("js-b", "r1", edge);
await client.upsertRelationship("js-b", "r2", { ...edge, $relationshipId: "r2" });
ok("upsertRelationship and getRelationship", (await client.getRelationship("js-b", "r1")).body.metres === 2);
await client.updateRelationship("js-b", "r1", [{ op: "replace", path: "/metres", value: 3 }]);
ok("listRelationships", (await all(client.listRelationships("js-b"))).length === 2);
ok("listIncomingRelationships", (await all(client.listIncomingRelationships("js/a ü;:1"))).length === 2);
await client.publishTelemetry("js-b", { noise: 3 }, "m1");
// This version of the client takes the two for each other: what is called payload goes out as Message-Id.
await client.publishComponentTelemetry("js-b", "lamp", "m2", { flicker: 1 });
ok("publishTelemetry and publishComponentTelemetry");
const query = `SELECT * FROM DIGITALTWINS T WHERE IS_OF_MODEL(T, '${room["@id"]}')`;
ok("queryTwins", (await all(client.queryTwins(query, 1))).length === 2);
await fails("queryTwins of nonsense", 400, () => all(client.queryTwins("SELECT")));
await fails("deleteDigitalTwin with relationships", 400, () => client.deleteDigitalTwin("js-b"));
for (const id of ["r1", "r2"]) await client.deleteRelationship("js-b", id);
for (const id of ["js/a ü;:1", "js-b"]) await client.deleteDigitalTwin(id);
await fails("deleteDigitalTwin", 404, () => client.getDigitalTwin("js-b"));
await client.decomissionModel(room["@id"]);
await client.deleteModel(room["@id"]);
await client.deleteModel(lamp["@id"]);
await fails("decomissionModel and deleteModel", 404, () => client.getModel(room["@id"]));
