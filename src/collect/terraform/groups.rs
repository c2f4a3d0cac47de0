//! Security groups of a plan, with their rules: those inside the group, and those that are resources of their own.

use serde_json::Value;

use super::apply::{Apply, GROUP, Link, PREFIX_LIST, VPC, entry, number, tell, text};
use super::plan::{Action, Got, Resource, got};
use super::refs::made_part;
use crate::model::Str;
use crate::model::aws::{
    AwsList, GroupPair, IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroup, SecurityGroupRule,
};

const RULES: &[&str] =
    &["aws_security_group_rule", "aws_vpc_security_group_egress_rule", "aws_vpc_security_group_ingress_rule"];

/// One rule with one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    protocol: Str,
    ports: Option<(i32, i32)>,
    peer: Peer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Peer {
    V4(Str),
    V6(Str),
    List(Str),
    Group(Str),
}

impl Apply<'_> {
    pub(super) fn security_groups(&mut self) {
        for resource in self.of(GROUP) {
            let id = self.group_id(resource);
            let vpc = self.id(resource, "vpc_id", VPC, AwsList::Vpcs);
            let [name, owner] = ["name", "owner_id"].map(|attribute| text(resource, attribute));
            let rules = ["egress", "ingress"].map(|direction| self.inline_rules(resource, &id, direction));
            if rules.contains(&None) {
                // The rules may not be taken from the list of before either.
                self.doubt(AwsList::SecurityGroupRules, resource, "a rule");
            }
            let origin = self.origin(resource);
            let make = |group_id| SecurityGroup { group_id, ..SecurityGroup::default() };
            let (group, is_made) = entry(&mut self.scope.security_groups, &id, make);
            if is_made || resource.changes() {
                group.origin = origin;
            }
            tell(&mut group.vpc_id, vpc);
            tell(&mut group.group_name, name);
            tell(&mut group.owner_id, owner);
            // What the plan leaves alone, its own document tells better.
            if is_made || resource.changes() {
                let [egress, ingress] = rules.map(|rules| rules.map(|rules| permissions(&rules)));
                group.ip_permissions_egress = egress;
                group.ip_permissions = ingress;
            }
        }
        for resource in self.gone(RULES) {
            self.remove_rules(resource);
        }
        for resource in self.of(RULES) {
            self.add_rules(resource);
        }
        self.list_rules();
    }

    /// The id of a group; the default group of a VPC is adopted, and not made.
    pub(super) fn group_id(&self, resource: &Resource) -> Str {
        let is_adopted = resource.kind == "aws_default_security_group" && resource.get("id") == Got::Unknown;
        if is_adopted
            && let Link::Id(vpc) = self.link(resource, "vpc_id", VPC)
            && let Some(id) = self.default_group(&vpc)
        {
            return id;
        }
        self.refs.id(resource)
    }

    /// The rules that stand inside a group; `None` if they are not known.
    ///
    /// The provider takes away the rule for all outbound traffic that AWS gives to a new group, whether other rules
    /// are written or not (`resourceSecurityGroupCreate`); so a new group has what the plan gives it and nothing else.
    fn inline_rules(&mut self, resource: &Resource, group: &Str, direction: &str) -> Option<Vec<Rule>> {
        let blocks = match resource.get(direction) {
            Got::Value(Value::Array(blocks)) => blocks,
            Got::Null => return Some(Vec::new()),
            Got::Unknown if resource.is_new() && !self.refs.is_configured(resource, direction) => {
                return Some(Vec::new());
            }
            Got::Unknown | Got::Value(_) => return None,
        };
        let unknown = resource.unknown.get(direction);
        let mut rules = Vec::new();
        for (i, block) in blocks.iter().enumerate() {
            rules.extend(self.block_rules(resource, group, direction, block, unknown.and_then(|all| all.get(i)))?);
        }
        Some(rules)
    }

    /// The rules of one `egress` or `ingress` block.
    fn block_rules(
        &self,
        resource: &Resource,
        group: &Str,
        direction: &str,
        block: &Value,
        unknown: Option<&Value>,
    ) -> Option<Vec<Rule>> {
        let field = |name: &str| got(block.get(name), unknown.and_then(|u| u.get(name)));
        let mut peers = Vec::new();
        for (name, kinds) in [
            ("cidr_blocks", &[][..]),
            ("ipv6_cidr_blocks", &[]),
            ("prefix_list_ids", PREFIX_LIST),
            ("security_groups", GROUP),
        ] {
            let has_unknown = unknown.and_then(|u| u.get(name)).is_some_and(has_true);
            let texts = match field(name) {
                _ if has_unknown => {
                    // All references of a direction stand together: one that is left is the one that is meant.
                    let found = self.refs.referred(resource, direction, kinds);
                    if kinds.is_empty() || found.is_partial || found.values.len() != 1 {
                        return None;
                    }
                    found.values
                }
                Got::Value(value) => value.as_array()?.iter().filter_map(Value::as_str).map(Str::from).collect(),
                Got::Null => Vec::new(),
                Got::Unknown => return None,
            };
            peers.extend(texts.into_iter().map(|text| peer(name, text)));
        }
        match field("self") {
            Got::Value(Value::Bool(true)) => peers.push(Peer::Group(group.clone())),
            Got::Unknown => return None,
            _ => {}
        }
        let (Got::Value(protocol), false) = (field("protocol"), field("from_port") == Got::Unknown) else {
            return None;
        };
        let protocol = protocol_of(protocol.as_str()?);
        let ports = ports_of(&protocol, block.get("from_port"), block.get("to_port"));
        Some(peers.into_iter().map(|peer| Rule { protocol: protocol.clone(), ports, peer }).collect())
    }

    /// Takes away what a rule was before the plan.
    fn remove_rules(&mut self, resource: &Resource) {
        let id = resource.before("security_group_id").to_owned();
        let egress = is_egress(resource, &resource.before);
        let text = |name: &str| resource.before.get(name).cloned().unwrap_or_default();
        let mut peers: Vec<Peer> = Vec::new();
        for name in FIELDS {
            let value = text(name);
            let texts = value.as_array().map_or_else(|| vec![value.clone()], Clone::clone);
            let texts = texts.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).map(Str::from);
            peers.extend(texts.map(|text| peer(name, text)).collect::<Vec<_>>());
        }
        if text("self") == Value::Bool(true) {
            peers.push(Peer::Group(id.as_str().into()));
        }
        let protocol =
            text("protocol").as_str().map(str::to_owned).or_else(|| Some(text("ip_protocol").as_str()?.to_owned()));
        let protocol = protocol_of(&protocol.unwrap_or_default());
        let ports = ports_of(&protocol, resource.before.get("from_port"), resource.before.get("to_port"));
        let gone: Vec<Rule> = peers.into_iter().map(|peer| Rule { protocol: protocol.clone(), ports, peer }).collect();
        self.change_rules(resource, &id.into(), egress, |rules| rules.retain(|rule| !gone.contains(rule)));
    }

    /// Adds what a rule is after the plan.
    fn add_rules(&mut self, resource: &Resource) {
        let egress = is_egress(resource, &resource.after);
        let group = match self.link(resource, "security_group_id", GROUP) {
            Link::Id(id) => id,
            Link::None | Link::Unclear => {
                self.unclear.insert(resource.address.clone());
                return;
            }
        };
        match self.rules(resource, &group) {
            Some(new) => self.change_rules(resource, &group, egress, |rules| {
                for rule in new {
                    if !rules.contains(&rule) {
                        rules.push(rule);
                    }
                }
            }),
            None => {
                if let Some(found) = self.scope.security_groups.iter_mut().find(|known| known.group_id == group) {
                    *direction(found, egress) = None;
                    self.doubt(AwsList::SecurityGroupRules, resource, "a rule");
                }
            }
        }
    }

    /// The rules that a resource stands for; `None` if they are not known.
    fn rules(&self, resource: &Resource, group: &Str) -> Option<Vec<Rule>> {
        let mut peers = Vec::new();
        for name in FIELDS {
            let kinds: &[&str] = match *name {
                "source_security_group_id" | "referenced_security_group_id" => GROUP,
                "prefix_list_ids" | "prefix_list_id" => PREFIX_LIST,
                _ => &[],
            };
            let is_computed = resource.get(name) == Got::Unknown && !self.refs.is_configured(resource, name);
            if is_computed {
                continue;
            }
            let found = self.refs.values(resource, name, kinds);
            if found.is_partial {
                return None;
            }
            peers.extend(found.values.into_iter().map(|text| peer(name, text)));
        }
        if resource.after.get("self") == Some(&Value::Bool(true)) {
            peers.push(Peer::Group(group.clone()));
        }
        let protocol = ["protocol", "ip_protocol"].iter().find_map(|name| resource.after.get(*name)?.as_str());
        let protocol = protocol_of(protocol?);
        if ["from_port", "to_port"]
            .iter()
            .any(|name| resource.get(name) == Got::Unknown && self.refs.is_configured(resource, name))
        {
            return None;
        }
        let ports = ports_of(&protocol, resource.after.get("from_port"), resource.after.get("to_port"));
        Some(peers.into_iter().map(|peer| Rule { protocol: protocol.clone(), ports, peer }).collect())
    }

    /// Changes the rules of a group in one direction, where the group and they are known.
    fn change_rules(&mut self, resource: &Resource, group: &Str, egress: bool, change: impl FnOnce(&mut Vec<Rule>)) {
        let origin = self.origin(resource);
        let Some(found) = self.scope.security_groups.iter_mut().find(|known| known.group_id == *group) else { return };
        let Some(known) = direction(found, egress) else { return };
        let mut rules = rules_of(known);
        let before = rules.clone();
        change(&mut rules);
        if rules != before {
            *direction(found, egress) = Some(permissions(&rules));
            if resource.action != Action::Keep {
                found.origin = origin;
            }
        }
    }

    /// The list of rules with ids: without those that are gone, and with those that are resources.
    fn list_rules(&mut self) {
        let touched: Vec<Str> = self.of(GROUP).iter().map(|resource| self.group_id(resource)).collect();
        let by_rules = self.of(RULES).into_iter().chain(self.gone(RULES));
        let by_rules: Vec<Str> = by_rules
            .filter_map(|resource| match self.link(resource, "security_group_id", GROUP) {
                Link::Id(id) => Some(id),
                _ => Some(resource.before("security_group_id")).filter(|id| !id.is_empty()).map(Str::from),
            })
            .collect();
        let is_touched = |id: &Str| touched.contains(id) || by_rules.contains(id);
        let groups: Vec<SecurityGroup> =
            self.scope.security_groups.iter().filter(|group| is_touched(&group.group_id)).cloned().collect();
        let of = |id: &Str, egress: bool| {
            let group = groups.iter().find(|group| group.group_id == *id)?;
            Some(rules_of(if egress { &group.ip_permissions_egress } else { &group.ip_permissions }.as_ref()?))
        };
        self.scope.security_group_rules.retain(|listed| {
            !is_touched(&listed.group_id)
                || of(&listed.group_id, listed.is_egress)
                    .zip(rule_of(listed))
                    .is_none_or(|(all, one)| all.contains(&one))
        });
        for resource in self.of(RULES) {
            self.list_rule(resource);
        }
    }

    /// Lists the rules of a resource under its id, so that they can be cited.
    fn list_rule(&mut self, resource: &Resource) {
        let Link::Id(group) = self.link(resource, "security_group_id", GROUP) else { return };
        let Some(rules) = self.rules(resource, &group) else { return };
        let is_egress = is_egress(resource, &resource.after);
        let listed = text(resource, "security_group_rule_id");
        let id = if listed.is_empty() { self.refs.id(resource) } else { listed };
        let origin = self.origin(resource);
        for (i, rule) in rules.iter().enumerate() {
            let is_listed = self.scope.security_group_rules.iter().any(|known| {
                known.group_id == group && known.is_egress == is_egress && rule_of(known).as_ref() == Some(rule)
            });
            if is_listed {
                continue;
            }
            let id = if i == 0 { id.clone() } else { made_part(&id, &i.to_string()) };
            let mut new = SecurityGroupRule {
                security_group_rule_id: id,
                group_id: group.clone(),
                is_egress,
                ip_protocol: rule.protocol.clone(),
                from_port: rule.ports.map(|(from, _)| from),
                to_port: rule.ports.map(|(_, to)| to),
                origin,
                ..SecurityGroupRule::default()
            };
            match &rule.peer {
                Peer::V4(text) => new.cidr_ipv4 = text.clone(),
                Peer::V6(text) => new.cidr_ipv6 = text.clone(),
                Peer::List(text) => new.prefix_list_id = text.clone(),
                Peer::Group(text) => {
                    new.referenced_group_info = Some(GroupPair { group_id: text.clone(), ..GroupPair::default() });
                }
            }
            self.scope.security_group_rules.push(new);
        }
    }
}

/// The attributes that name the other end of a rule.
const FIELDS: &[&str] = &[
    "cidr_blocks",
    "ipv6_cidr_blocks",
    "prefix_list_ids",
    "source_security_group_id",
    "cidr_ipv4",
    "cidr_ipv6",
    "prefix_list_id",
    "referenced_security_group_id",
];

fn peer(field: &str, text: Str) -> Peer {
    match field {
        "cidr_blocks" | "cidr_ipv4" => Peer::V4(text),
        "ipv6_cidr_blocks" | "cidr_ipv6" => Peer::V6(text),
        "prefix_list_ids" | "prefix_list_id" => Peer::List(text),
        // `account/sg-…` for a group of another account.
        _ => Peer::Group(text.rsplit('/').next().map_or_else(Str::default, Str::from)),
    }
}

fn is_egress(resource: &Resource, values: &serde_json::Map<String, Value>) -> bool {
    match resource.kind.as_str() {
        "aws_security_group_rule" => values.get("type").and_then(Value::as_str) == Some("egress"),
        kind => kind == "aws_vpc_security_group_egress_rule",
    }
}

fn direction(group: &mut SecurityGroup, egress: bool) -> &mut Option<Vec<IpPermission>> {
    if egress { &mut group.ip_permissions_egress } else { &mut group.ip_permissions }
}

/// A protocol as `describe-security-groups` writes it.
fn protocol_of(text: &str) -> Str {
    match text.to_ascii_lowercase().as_str() {
        "all" | "-1" => "-1".into(),
        "6" => "tcp".into(),
        "17" => "udp".into(),
        "1" => "icmp".into(),
        "58" => "icmpv6".into(),
        other => other.into(),
    }
}

fn ports_of(protocol: &Str, from: Option<&Value>, to: Option<&Value>) -> Option<(i32, i32)> {
    number(from).zip(number(to)).filter(|_| *protocol != "-1")
}

fn rules_of(permissions: &[IpPermission]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for permission in permissions {
        let protocol = protocol_of(&permission.ip_protocol);
        let ports = permission.from_port.zip(permission.to_port).filter(|_| protocol != "-1");
        let v4 = permission.ip_ranges.iter().map(|r| Peer::V4(r.cidr_ip.clone()));
        let v6 = permission.ipv6_ranges.iter().map(|r| Peer::V6(r.cidr_ipv6.clone()));
        let lists = permission.prefix_list_ids.iter().map(|l| Peer::List(l.prefix_list_id.clone()));
        let groups = permission.user_id_group_pairs.iter().map(|g| Peer::Group(g.group_id.clone()));
        let peers = v4.chain(v6).chain(lists).chain(groups);
        rules.extend(peers.map(|peer| Rule { protocol: protocol.clone(), ports, peer }));
    }
    rules
}

fn rule_of(listed: &SecurityGroupRule) -> Option<Rule> {
    let protocol = protocol_of(&listed.ip_protocol);
    let ports = listed.from_port.zip(listed.to_port).filter(|_| protocol != "-1");
    let peer = if !listed.cidr_ipv4.is_empty() {
        Peer::V4(listed.cidr_ipv4.clone())
    } else if !listed.cidr_ipv6.is_empty() {
        Peer::V6(listed.cidr_ipv6.clone())
    } else if !listed.prefix_list_id.is_empty() {
        Peer::List(listed.prefix_list_id.clone())
    } else {
        Peer::Group(listed.referenced_group_info.as_ref()?.group_id.clone())
    };
    Some(Rule { protocol, ports, peer })
}

/// Rules with one protocol and one range of ports stand together, in the order in which they came.
fn permissions(rules: &[Rule]) -> Vec<IpPermission> {
    let mut permissions: Vec<(&Rule, IpPermission)> = Vec::new();
    for rule in rules {
        let at = permissions.iter().position(|(first, _)| first.protocol == rule.protocol && first.ports == rule.ports);
        let at = at.unwrap_or_else(|| {
            let (from_port, to_port) = (rule.ports.map(|(from, _)| from), rule.ports.map(|(_, to)| to));
            let ip_protocol = rule.protocol.clone();
            permissions.push((rule, IpPermission { ip_protocol, from_port, to_port, ..IpPermission::default() }));
            permissions.len() - 1
        });
        let permission = &mut permissions[at].1;
        match rule.peer.clone() {
            Peer::V4(cidr_ip) => permission.ip_ranges.push(IpRange { cidr_ip }),
            Peer::V6(cidr_ipv6) => permission.ipv6_ranges.push(Ipv6Range { cidr_ipv6 }),
            Peer::List(prefix_list_id) => permission.prefix_list_ids.push(PrefixListId { prefix_list_id }),
            Peer::Group(group_id) => {
                permission.user_id_group_pairs.push(GroupPair { group_id, ..GroupPair::default() });
            }
        }
    }
    permissions.into_iter().map(|(_, permission)| permission).collect()
}

/// Whether anything in a tree of truth values is true.
fn has_true(value: &Value) -> bool {
    match value {
        Value::Bool(is) => *is,
        Value::Array(all) => all.iter().any(has_true),
        Value::Object(all) => all.values().any(has_true),
        _ => false,
    }
}
