//! Plans, and what is read out of them.

use buildreach::collect::files::{self, Options};
use buildreach::model::Snapshot;
use buildreach::model::aws::{AwsScope, IpPermission, NetworkAcl, RouteTable, SecurityGroup};
use serde_json::{Value, json};

/// A resource that a plan makes.
pub(crate) fn create(address: &str, after: Value, unknown: Value) -> Value {
    change(address, &["create"], Value::Null, after, unknown)
}

/// One change of a plan; module and index are told by the address.
pub(crate) fn change(address: &str, actions: &[&str], before: Value, after: Value, unknown: Value) -> Value {
    let (module, local) = match address.rfind(".aws_") {
        Some(at) => (Some(&address[..at]), &address[at + 1..]),
        None => (None, address),
    };
    let (name, index) = match local.split_once('[') {
        Some((name, index)) => (name, Some(serde_json::from_str::<Value>(index.strip_suffix(']').unwrap()).unwrap())),
        None => (local, None),
    };
    let (kind, name) = name.split_once('.').unwrap();
    let mut change = json!({
        "address": address, "mode": "managed", "type": kind, "name": name,
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {"actions": actions, "before": before, "after": after, "after_unknown": unknown},
    });
    if let Some(module) = module {
        change["module_address"] = module.into();
    }
    if let Some(index) = index {
        change["index"] = index;
    }
    change
}

/// A block of the configuration: each expression is a list of references.
pub(crate) fn block(address: &str, expressions: Value) -> Value {
    let (kind, name) = address.split_once('.').unwrap();
    let expressions: serde_json::Map<String, Value> = expressions
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| {
            let expression = match value {
                Value::Array(references) => json!({"references": references}),
                constant => json!({"constant_value": constant}),
            };
            (key.clone(), expression)
        })
        .collect();
    json!({"address": address, "mode": "managed", "type": kind, "name": name, "provider_config_key": "aws", "expressions": expressions})
}

pub(crate) fn plan(changes: Vec<Value>, blocks: Vec<Value>) -> Value {
    json!({
        "format_version": "1.2", "terraform_version": "1.9.0", "planned_values": {"root_module": {}},
        "resource_changes": changes,
        "configuration": {
            "provider_config": {"aws": {"name": "aws", "expressions": {"region": {"constant_value": "us-east-1"}}}},
            "root_module": {"resources": blocks},
        },
    })
}

pub(crate) fn read(plan: &Value, beside: &[(&str, Value)]) -> Snapshot {
    let mut files: Vec<(String, String)> = beside.iter().map(|(name, v)| ((*name).to_owned(), v.to_string())).collect();
    files.push(("plan.json".to_owned(), format!("{plan:#}")));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files::from_texts(&files, &Options::default())
}

pub(crate) fn scope(snapshot: &Snapshot) -> &AwsScope {
    assert_eq!(snapshot.aws.len(), 1, "{:?}", snapshot.aws.iter().map(AwsScope::name).collect::<Vec<_>>());
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    &snapshot.aws[0]
}

pub(crate) fn group<'s>(scope: &'s AwsScope, id: &str) -> &'s SecurityGroup {
    scope.security_groups.iter().find(|group| group.group_id == *id).unwrap_or_else(|| panic!("no {id}: {scope:#?}"))
}

pub(crate) fn table<'s>(scope: &'s AwsScope, id: &str) -> &'s RouteTable {
    scope.route_tables.iter().find(|table| table.route_table_id == *id).unwrap_or_else(|| panic!("no {id}: {scope:#?}"))
}

pub(crate) fn acl<'s>(scope: &'s AwsScope, id: &str) -> &'s NetworkAcl {
    scope.network_acls.iter().find(|acl| acl.network_acl_id == *id).unwrap_or_else(|| panic!("no {id}: {scope:#?}"))
}

/// Rules as `protocol ports peer`.
pub(crate) fn rules(permissions: Option<&Vec<IpPermission>>) -> Option<Vec<String>> {
    let mut rules = Vec::new();
    for p in permissions? {
        let ports = p.from_port.zip(p.to_port).map_or("all".to_owned(), |(from, to)| format!("{from}-{to}"));
        let v4 = p.ip_ranges.iter().map(|r| r.cidr_ip.to_string());
        let v6 = p.ipv6_ranges.iter().map(|r| r.cidr_ipv6.to_string());
        let lists = p.prefix_list_ids.iter().map(|l| l.prefix_list_id.to_string());
        let groups = p.user_id_group_pairs.iter().map(|g| g.group_id.to_string());
        let peers = v4.chain(v6).chain(lists).chain(groups);
        rules.extend(peers.map(|peer| format!("{} {ports} {peer}", p.ip_protocol)));
    }
    Some(rules)
}

pub(crate) fn egress(scope: &AwsScope, id: &str) -> Option<Vec<String>> {
    rules(group(scope, id).ip_permissions_egress.as_ref())
}

/// Routes as `destination target`.
pub(crate) fn routes(table: &RouteTable) -> Vec<String> {
    let of = |r: &buildreach::model::aws::Route| {
        let to = [&r.destination_cidr_block, &r.destination_ipv6_cidr_block, &r.destination_prefix_list_id];
        let targets = [
            &r.gateway_id,
            &r.nat_gateway_id,
            &r.egress_only_internet_gateway_id,
            &r.transit_gateway_id,
            &r.vpc_peering_connection_id,
            &r.network_interface_id,
        ];
        let text = |all: &[&buildreach::model::Str]| all.iter().map(|t| t.as_str()).collect::<String>();
        format!("{} {}", text(&to), text(&targets))
    };
    let mut routes: Vec<_> = table.routes.iter().map(of).collect();
    routes.sort();
    routes
}

pub(crate) fn subnets_of(table: &RouteTable) -> Vec<&str> {
    table.associations.iter().filter(|a| !a.main).map(|a| a.subnet_id.as_str()).collect()
}

pub(crate) const fn no() -> Value {
    Value::Null
}
