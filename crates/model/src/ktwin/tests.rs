#![allow(clippy::unwrap_used)]

use crate::manifest::{self, parse};

const TOOL: &str = r#"apiVersion: dtd.ktwin/v0
kind: TwinInterface
metadata:
  creationTimestamp: null
  name: ngsi-ld-city-device
  namespace: ktwin
spec:
  id: ngsi-ld-city-device
  displayName: Device
  extendsInterface: ngsi-ld-city-thing
  properties:
    - id: batterylevel
      name: batteryLevel
      schema:
        primitiveType: string
    - name: installed
      schema: { primitiveType: datetime }
    - name: since
      schema: { primitiveType: dateTime }
    - name: gains
      schema: { primitiveType: ngsi-ld-city-gain }
      writable: true
    - name: state
      schema:
        enumType:
          valueSchema: string
          enumValues:
            - { name: "on", displayName: On, enumValue: "on" }
            - { name: unkown, enumValue: unkown }
    - name: place
      schema:
        complexType:
          type: Object
          fields:
            - { name: lat, schema: { primitiveType: double } }
  telemetries:
    - { name: rssi, schema: { primitiveType: integer } }
    - { name: BatteryLevel, schema: { primitiveType: integer } }
  commands:
    - name: updateFrequency
      request: { name: r, schema: { primitiveType: integer } }
      response: {}
  relationships:
    - name: refPole-001
      interface: ngsi-ld-city-pole
      maxMultiplicity: 1
      minMultiplicity: 0
      aggregateData: true
  eventStore: { persistRealEvent: true, persistVirtualEvent: false }
  service:
    template: { spec: { containers: [ { image: "x:1" } ] } }
    autoScaling: { minScale: 0, maxScale: 20, target: 10, metric: concurrency }
status: {}
---
apiVersion: dtd.ktwin/v0
kind: TwinInterface
metadata: { name: ngsi-ld-city-thing }
spec:
  id: ngsi-ld-city-thing
  extendsInterface: ""
  eventStore: {}
---
apiVersion: dtd.ktwin/v0
kind: TwinInstance
metadata:
  creationTimestamp: null
  name: ngsi-ld-city-device-001
spec:
  interface: ngsi-ld-city-device
  data:
    properties:
      - { id: batterylevel, name: batteryLevel, value: "" }
      - { id: installed, name: installed, value: "" }
      - { id: gains, name: gains, value: "2.5" }
    telemetries: []
  endpointSettings:
    httpEndpoint: { url: "" }
  twinInstanceRelationships:
    - { name: refPole-001, interface: ngsi-ld-city-pole, instance: ngsi-ld-city-pole-001 }
    - { name: refPole-002, interface: ngsi-ld-city-pole, instance: ngsi-ld-city-pole-002 }
    - { name: refSpot, interface: ngsi-ld-city-device-001, instance: ngsi-ld-city-device }
    - { name: refSpot, interface: ngsi-ld-city-device-001, instance: ngsi-ld-city-device }
status: {}
---
apiVersion: core.ktwin/v0
kind: EventStore
metadata: { name: store }
spec: { timeout: 10 }
---
"#;

#[test]
fn what_ktwins_tool_writes_is_taken_unchanged() {
    let parsed = parse(TOOL);
    assert_eq!(parsed.problems, []);
    let wanted = r#"apiVersion: gemelli.dev/v1
kind: Interface
metadata:
  name: ngsi-ld-city-device
spec:
  displayName: Device
  extends:
  - ngsi-ld-city-thing
  properties:
  - name: batteryLevel
    schema: string
  - name: installed
    schema: dateTime
  - name: since
    schema: dateTime
  - name: gains
    schema: any
    writable: true
  - name: state
    schema:
      enum:
        values:
        - name: "on"
          value: "on"
        - name: unkown
          value: unkown
  - name: place
    schema:
      object:
        fields:
        - name: lat
          schema: double
  telemetry:
  - name: rssi
    schema: integer
    last: true
    history: true
  commands:
  - name: updateFrequency
    request: integer
    requestName: r
  relationships:
  - name: refPole
    target: ngsi-ld-city-pole
    maxMultiplicity: 1
    aggregateData: true
  time: accepted
  routing:
    persistReal: true
    persistVirtual: false
  service:
    template:
      spec:
        containers:
        - image: x:1
    autoScaling:
      minScale: 0
      maxScale: 20
      target: 10
      metric: concurrency
  ignoreCase: true
  open: true
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata:
  name: ngsi-ld-city-thing
spec:
  time: accepted
  routing:
    persistReal: true
    persistVirtual: true
  ignoreCase: true
  open: true
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata:
  name: ngsi-ld-city-device-001
spec:
  interface: ngsi-ld-city-device
  properties:
    gains: "2.5"
  relationships:
  - id: refPole-001
    name: refPole
    target: ngsi-ld-city-pole-001
  - id: refPole-002
    name: refPole
    target: ngsi-ld-city-pole-002
  - id: refSpot
    name: refSpot
    target: ngsi-ld-city-device
"#;
    assert_eq!(manifest::to_yaml(&parsed.manifests), wanted);
    assert_eq!(parse(wanted).into_result().unwrap(), parsed.manifests);
}

#[test]
fn gaps_are_told_once_per_kind() {
    let warnings: Vec<_> = parse(TOOL)
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        warnings,
        [
            "line 21: gains has the type ngsi-ld-city-gain, which is no type: it takes any value",
            "line 38: ngsi-ld-city-device declares BatteryLevel more than once: the first one counts",
            "line 63: ngsi-ld-city-device does not declare the relationship refSpot",
            "line 79 and 1 more: a relationship ends at a twin that is not in this text; it is kept, and leads nowhere until there is such a twin",
            "line 81: a relationship ends at the name of an interface: interface and instance may be swapped; it is kept as written",
            "line 82: a relationship that is listed twice is taken once",
            "line 85: KTWIN's EventStore is left out: what it sets up is part of Gemelli",
        ]
    );
}

#[test]
fn what_cannot_be_a_twin_is_a_problem() {
    for (text, wanted) in [
        (
            "kind: TwinInstance\nmetadata: {name: t}\nspec: {}",
            "missing-field this TwinInstance names no interface",
        ),
        (
            "kind: TwinInstance\nspec: {interface: i}",
            "missing-field this TwinInstance has no name",
        ),
        (
            "kind: TwinInstanc\nmetadata: {name: t}",
            "unknown-kind KTWIN has no kind \"TwinInstanc\"",
        ),
    ] {
        let parsed = parse(&format!("apiVersion: dtd.ktwin/v0\n{text}"));
        let found: Vec<_> = parsed
            .problems
            .iter()
            .map(|p| format!("{} {}", p.code, p.message))
            .collect();
        assert_eq!(found, [wanted]);
    }
}
