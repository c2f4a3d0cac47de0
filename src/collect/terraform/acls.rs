//! Network ACLs of a plan: their entries, and which subnets have them.

use serde_json::{Map, Value};

use super::apply::{ACL, Apply, Link, SUBNET, VPC, entry, number, tell};
use super::plan::{Got, Resource, got};
use crate::model::Str;
use crate::model::aws::{AwsList, NetworkAcl, NetworkAclAssociation, NetworkAclEntry, PortRange};

const RULES: &[&str] = &["aws_network_acl_rule"];
const ASSOCIATIONS: &[&str] = &["aws_network_acl_association"];

impl Apply<'_> {
    pub(super) fn network_acls(&mut self) {
        let mut unknown = Vec::new();
        for resource in self.of(ACL) {
            let id = self.refs.id(resource);
            let vpc = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let directions = [(true, "egress"), (false, "ingress")];
            let entries: Option<Vec<_>> =
                directions.iter().map(|(egress, name)| self.inline_entries(resource, *egress, name)).collect();
            if entries.is_none() {
                self.doubt(AwsList::NetworkAcls, resource, "a rule");
                unknown.push(id.clone());
            }
            let origin = self.origin(resource);
            let make = |network_acl_id| NetworkAcl { network_acl_id, ..NetworkAcl::default() };
            let (acl, is_made) = entry(&mut self.scope.network_acls, &id, make);
            if is_made || resource.changes() {
                acl.origin = origin;
                acl.entries.iter_mut().for_each(|entry| entry.line = 0);
            }
            tell(&mut acl.vpc_id, vpc);
            acl.is_default |= resource.kind == "aws_default_network_acl";
            if is_made || resource.changes() {
                acl.entries = entries.into_iter().flatten().flatten().collect();
            }
        }
        self.own_entries(&mut unknown);
        if let Some(unsure) = self.acl_subnets() {
            self.default_acls(&unsure);
        }
        self.scope.network_acls.retain(|acl| !unknown.contains(&acl.network_acl_id));
    }

    /// The entries that stand inside an ACL; `None` if they are not known.
    fn inline_entries(&self, resource: &Resource, egress: bool, name: &str) -> Option<Vec<NetworkAclEntry>> {
        let blocks = match resource.get(name) {
            Got::Value(Value::Array(blocks)) => blocks,
            Got::Null => return Some(Vec::new()),
            Got::Unknown if resource.is_new() && !self.refs.is_configured(resource, name) => return Some(Vec::new()),
            Got::Unknown | Got::Value(_) => return None,
        };
        let unknown = resource.unknown.get(name);
        let of = |(i, block): (usize, &Value)| {
            let unknown = unknown.and_then(|all| all.get(i));
            let is_known = |field: &&str| got(block.get(*field), unknown.and_then(|u| u.get(*field))) != Got::Unknown;
            let fields = ["rule_no", "action", "protocol", "cidr_block", "ipv6_cidr_block", "from_port", "to_port"];
            let block = block.as_object().filter(|_| fields.iter().all(is_known))?;
            Some(acl_entry(block, ["rule_no", "action"], egress, resource.line))
        };
        blocks.iter().enumerate().map(of).collect()
    }

    /// Entries that are resources of their own.
    fn own_entries(&mut self, unknown: &mut Vec<Str>) {
        for resource in self.gone(RULES) {
            let id: Str = resource.before("network_acl_id").into();
            let gone = acl_entry(&resource.before, ["rule_number", "rule_action"], false, 0);
            let egress = resource.before.get("egress") == Some(&Value::Bool(true));
            self.change_acl(resource, &id, |acl| {
                acl.entries.retain(|entry| entry.egress != egress || entry.rule_number != gone.rule_number);
            });
        }
        for resource in self.of(RULES) {
            let Link::Id(id) = self.link(resource, "network_acl_id", ACL) else {
                self.unclear.insert(resource.address.clone());
                continue;
            };
            let fields =
                ["rule_number", "rule_action", "protocol", "cidr_block", "ipv6_cidr_block", "from_port", "to_port"];
            let is_unknown =
                |field: &&str| resource.get(field) == Got::Unknown && self.refs.is_configured(resource, field);
            if fields.iter().any(is_unknown) {
                self.doubt(AwsList::NetworkAcls, resource, "a rule");
                unknown.push(id);
                continue;
            }
            let egress = resource.after.get("egress") == Some(&Value::Bool(true));
            let new = acl_entry(&resource.after, ["rule_number", "rule_action"], egress, resource.line);
            self.change_acl(resource, &id, |acl| {
                let same =
                    |entry: &&mut NetworkAclEntry| entry.egress == new.egress && entry.rule_number == new.rule_number;
                match acl.entries.iter_mut().find(same) {
                    Some(known) if NetworkAclEntry { line: new.line, ..known.clone() } == new => {}
                    Some(known) => *known = new,
                    None => acl.entries.push(new),
                }
            });
        }
    }

    /// Changes an ACL that is known. What is changed was read in the plan.
    fn change_acl(&mut self, resource: &Resource, id: &Str, change: impl FnOnce(&mut NetworkAcl)) {
        let origin = self.origin(resource);
        let Some(acl) = self.scope.network_acls.iter_mut().find(|acl| acl.network_acl_id == *id) else { return };
        let before = acl.entries.clone();
        change(acl);
        if acl.entries != before && acl.origin.source != origin.source {
            acl.origin = origin;
            // Lines are those of the plan now.
            let of_plan = |entry: &NetworkAclEntry| !before.contains(entry);
            acl.entries.iter_mut().filter(|entry| !of_plan(entry)).for_each(|entry| entry.line = 0);
        }
    }

    /// Which subnets have which ACL: one each. Gives the subnets whose ACL cannot be told; `None` if these cannot be told.
    fn acl_subnets(&mut self) -> Option<Vec<Str>> {
        for resource in self.gone(ASSOCIATIONS) {
            let [acl, subnet] = ["network_acl_id", "subnet_id"].map(|name| resource.before(name));
            self.take_acl(acl, &[subnet]);
        }
        for resource in self.gone(ACL) {
            let before = resource.before.get("subnet_ids").and_then(Value::as_array);
            let before: Vec<&str> = before.into_iter().flatten().filter_map(Value::as_str).collect();
            self.take_acl(resource.before("id"), &before);
        }
        let mut unsure = Some(Vec::new());
        for resource in self.of(ACL) {
            if resource.get("subnet_ids") == Got::Unknown && !self.refs.is_configured(resource, "subnet_ids") {
                continue;
            }
            let id = self.refs.id(resource);
            let found = self.refs.values(resource, "subnet_ids", SUBNET);
            if found.is_partial {
                self.doubt(AwsList::NetworkAcls, resource, "subnet_ids");
                unsure = None;
            }
            found.values.into_iter().for_each(|subnet| self.give_acl(&id, subnet));
        }
        for resource in self.of(ASSOCIATIONS) {
            let Link::Id(subnet) = self.link(resource, "subnet_id", SUBNET) else {
                self.unclear.insert(resource.address.clone());
                unsure = None;
                continue;
            };
            if let Link::Id(acl) = self.link(resource, "network_acl_id", ACL) {
                self.give_acl(&acl, subnet);
            } else {
                self.doubt(AwsList::NetworkAcls, resource, "network_acl_id");
                self.give_acl(&Str::default(), subnet.clone());
                if let Some(unsure) = &mut unsure {
                    unsure.push(subnet);
                }
            }
        }
        unsure
    }

    fn take_acl(&mut self, id: &str, subnets: &[&str]) {
        if let Some(acl) = self.scope.network_acls.iter_mut().find(|acl| acl.network_acl_id == *id) {
            acl.associations.retain(|a| !subnets.contains(&a.subnet_id.as_str()));
        }
    }

    /// Gives a subnet an ACL, which takes it from the one that it had.
    fn give_acl(&mut self, id: &Str, subnet: Str) {
        for acl in &mut self.scope.network_acls {
            acl.associations.retain(|a| a.subnet_id != subnet);
        }
        if let Some(acl) = self.scope.network_acls.iter_mut().find(|acl| acl.network_acl_id == *id) {
            acl.associations.push(NetworkAclAssociation { subnet_id: subnet });
        }
    }

    /// Subnets that the plan makes and no ACL names have the default one of their VPC.
    fn default_acls(&mut self, unsure: &[Str]) {
        for resource in self.of(SUBNET) {
            let subnet = self.refs.id(resource);
            let has_one = |acl: &NetworkAcl| acl.associations.iter().any(|a| a.subnet_id == subnet);
            if !resource.is_new() || unsure.contains(&subnet) || self.scope.network_acls.iter().any(has_one) {
                continue;
            }
            let vpc = self.vpc_of(resource, &subnet);
            let default = self.scope.network_acls.iter().find(|acl| acl.is_default && acl.vpc_id == vpc);
            if let Some(id) = default.map(|acl| acl.network_acl_id.clone()) {
                self.give_acl(&id, subnet);
            }
        }
    }
}

/// An entry as `describe-network-acls` writes it.
fn acl_entry(block: &Map<String, Value>, [rule, action]: [&str; 2], egress: bool, line: u32) -> NetworkAclEntry {
    let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default();
    let protocol = protocol_number(text("protocol"));
    let range = PortRange { from: number(block.get("from_port")), to: number(block.get("to_port")) };
    NetworkAclEntry {
        rule_number: number(block.get(rule)).unwrap_or_default(),
        rule_action: text(action).to_ascii_lowercase().into(),
        egress,
        cidr_block: text("cidr_block").into(),
        ipv6_cidr_block: text("ipv6_cidr_block").into(),
        port_range: (protocol == "6" || protocol == "17").then_some(range),
        protocol,
        line,
    }
}

/// The number of a protocol, which is all that the API of ACLs speaks (IANA, "Assigned Internet Protocol Numbers").
fn protocol_number(text: &str) -> Str {
    let number = match text.to_ascii_lowercase().as_str() {
        "all" | "-1" => "-1",
        "icmp" => "1",
        "tcp" => "6",
        "udp" => "17",
        "ipv6-icmp" | "icmpv6" => "58",
        "sctp" => "132",
        other => return other.into(),
    };
    number.into()
}
