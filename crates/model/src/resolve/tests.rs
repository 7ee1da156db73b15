#![allow(clippy::unwrap_used)]
use super::*;

/// `name < parent parent: member:schema member:schema`, one interface a line.
fn interfaces(text: &str) -> BTreeMap<InterfaceId, Interface> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (head, members) = line.split_once(" : ").unwrap_or((line, ""));
            let (name, parents) = head.split_once(" < ").unwrap_or((head, ""));
            let properties: Vec<_> = members
                .split_whitespace()
                .map(|m| m.split_once(':').unwrap())
                .map(|(name, schema)| serde_json::json!({"name": name, "schema": schema}))
                .collect();
            let extends: Vec<_> = parents.split_whitespace().collect();
            let json = serde_json::json!({"extends": extends, "properties": properties});
            let mut interface: Interface = serde_json::from_value(json).unwrap();
            interface.id = name.trim().into();
            (interface.id.clone(), interface)
        })
        .collect()
}

fn members(text: &str, of: &str) -> String {
    match all(&interfaces(text)) {
        Ok(resolved) => {
            let one = &resolved[of];
            let members: Vec<_> = one
                .members
                .iter()
                .map(|m| format!("{} from {}", m.name(), m.from))
                .collect();
            members.join(", ")
        }
        Err(faults) => {
            let lines: Vec<_> = faults
                .iter()
                .map(|f| format!("{}: {f}", f.code()))
                .collect();
            lines.join("\n")
        }
    }
}

#[test]
fn members_come_ancestors_first_and_know_where_they_come_from() {
    let diamond = "thing : name:string
        device < thing : battery:double
        sensor < thing : unit:string
        thermometer < device sensor : temperature:double";
    assert_eq!(
        members(diamond, "thermometer"),
        "name from thing, battery from device, unit from sensor, temperature from thermometer"
    );
}

#[test]
fn faults_name_the_interfaces() {
    for (text, wanted) in [
        (
            "a < b",
            "unknown-interface: interface a extends b, which does not exist",
        ),
        (
            "a < b\n b < a",
            "inheritance-cycle: interface a extends itself: a -> b -> a\n\
             inheritance-cycle: interface b extends itself: b -> a -> b",
        ),
        (
            "a : x:double\n b < a : x:string",
            "duplicate-id: interface b gets two different members named x: from a and from b",
        ),
        (
            "a : x:double x:long",
            "duplicate-id: interface a gets two different members named x: from a and from a",
        ),
    ] {
        assert_eq!(members(text, "a"), wanted);
    }
    assert_eq!(members("a : x:double\n b < a : x:double", "b"), "x from a");
}

#[test]
fn ancestry_is_bounded() {
    let chain: Vec<String> = (0..40).map(|n| format!("i{n} < i{}", n + 1)).collect();
    let mut text = chain.join("\n");
    text.push_str("\ni40 : x:double");
    assert!(
        members(&text, "i0").contains("limit-reached: interface i0 has more than 32 generations")
    );
}

#[test]
fn members_are_bounded() {
    let many: String = (0..=MAX_MEMBERS).map(|n| format!(" m{n}:double")).collect();
    assert!(members(&format!("a :{many}"), "a").contains("limit-reached"));
}
