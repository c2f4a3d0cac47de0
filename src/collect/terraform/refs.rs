//! Follows the references of expressions to the resource instances that they mean.
//!
//! A plan does not know the ids of what it will make, but its configuration says which resource each of them is taken
//! from. The text of an expression is not in the plan, only what it refers to; where that leaves more than one instance,
//! the one with the same key of `count` or `for_each` is meant, or else nothing is told.

use std::sync::atomic::Ordering;

use serde_json::Value;

use super::plan::{Block, Call, Got, Module, Plan, Resource};
use crate::model::Str;

/// What an attribute of some resource comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The values, each once.
    pub(super) values: Vec<Str>,
    /// There may be others.
    pub(super) is_partial: bool,
}

/// One value, with the key of the instance that it was taken from.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    value: Str,
    key: Option<Value>,
}

#[derive(Debug, Default)]
struct Candidates {
    all: Vec<Candidate>,
    is_opaque: bool,
}

/// Where an expression stands: its module instance, and what `each` and `count` mean there.
#[derive(Clone, Debug)]
struct Place<'p> {
    /// Address of the module instance; empty for the root.
    module: String,
    key: Option<&'p Value>,
    for_each: Option<&'p Value>,
}

/// A part of a reference: `private[0]`.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    name: String,
    key: Option<Value>,
}

/// How far references are followed: through modules and attributes of attributes.
const MAX_DEPTH: u32 = 32;

/// How many expressions are looked at for one attribute.
const MAX_STEPS: u32 = 10_000;

/// Follows references of one plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refs<'p> {
    pub(super) plan: &'p Plan,
}

impl<'p> Refs<'p> {
    /// The id of an instance: that of AWS, or one made of its address, which is the same for every plan of it.
    pub(super) fn id(self, resource: &Resource) -> Str {
        self.plan.left.store(MAX_STEPS, Ordering::Relaxed);
        self.id_of(resource, 0)
    }

    fn id_of(self, resource: &Resource, depth: u32) -> Str {
        if let Got::Value(Value::String(id)) = resource.get("id")
            && !id.is_empty()
        {
            return id.as_str().into();
        }
        // What adopts a default is not made: it has the id of what it adopts.
        let adopted = match resource.kind.as_str() {
            "aws_default_network_acl" => Some("default_network_acl_id"),
            "aws_default_route_table" => Some("default_route_table_id"),
            _ => None,
        };
        if let Some(adopted) = adopted.filter(|_| depth <= MAX_DEPTH)
            && let Found { values, is_partial: false } = self.values_of(resource, adopted, &[], depth + 1)
            && let [id] = values.as_slice()
        {
            return id.clone();
        }
        made_id(resource)
    }

    /// The texts that an attribute of an instance comes to. `kinds` are the types of which it may be the id; with none,
    /// only what is written is taken.
    pub(super) fn values(self, resource: &Resource, attribute: &str, kinds: &[&str]) -> Found {
        self.plan.left.store(MAX_STEPS, Ordering::Relaxed);
        self.values_of(resource, attribute, kinds, 0)
    }

    fn values_of(self, resource: &Resource, attribute: &str, kinds: &[&str], depth: u32) -> Found {
        match resource.get(attribute) {
            Got::Null => Found::default(),
            Got::Unknown => self.referred_of(resource, attribute, kinds, depth),
            Got::Value(value) => {
                let known = texts(value);
                let unknown = resource.unknown.get(attribute);
                let has_unknown = unknown.and_then(Value::as_array).is_some_and(|all| all.contains(&Value::Bool(true)));
                if !has_unknown {
                    return Found { values: known, is_partial: false };
                }
                let mut found = self.referred_of(resource, attribute, kinds, depth);
                found.values.extend(known);
                dedup(&mut found.values);
                found
            }
        }
    }

    /// What the configuration's expression for an attribute refers to.
    pub(super) fn referred(self, resource: &Resource, attribute: &str, kinds: &[&str]) -> Found {
        self.plan.left.store(MAX_STEPS, Ordering::Relaxed);
        self.referred_of(resource, attribute, kinds, 0)
    }

    fn referred_of(self, resource: &Resource, attribute: &str, kinds: &[&str], depth: u32) -> Found {
        let opaque = Found { values: Vec::new(), is_partial: true };
        let Some((block, place)) = self.block(resource) else { return opaque };
        let Some(expression) = block.expressions.get(attribute) else { return opaque };
        let candidates = self.expression(expression, &place, kinds, depth);
        let mut values: Vec<Str> = candidates.all.into_iter().map(|c| c.value).collect();
        dedup(&mut values);
        if candidates.is_opaque && values.is_empty() {
            return self.only(kinds, depth).unwrap_or(opaque);
        }
        Found { values, is_partial: candidates.is_opaque }
    }

    /// Whether the configuration has an expression for an attribute of an instance.
    pub(super) fn is_configured(self, resource: &Resource, attribute: &str) -> bool {
        // Without its block, nobody can say that it has none.
        self.block(resource).is_none_or(|(block, _)| block.expressions.contains_key(attribute))
    }

    /// The region that the provider of an instance is configured for.
    pub(super) fn region(self, resource: &Resource) -> Option<&'p str> {
        let (block, _) = self.block(resource)?;
        let expression = self.plan.providers.get(&block.provider_config_key)?.expressions.get("region")?;
        if let Some(region) = expression.get("constant_value").and_then(Value::as_str) {
            return Some(region);
        }
        let reference = expression.get("references")?.get(0)?.as_str()?;
        self.plan.variables.get(reference.strip_prefix("var.")?)?.value.as_str()
    }

    /// The one instance of these types whose id is not known: an id that is not known either can be no other's.
    fn only(self, kinds: &[&str], depth: u32) -> Option<Found> {
        if self.plan.reads_later || kinds.is_empty() {
            return None;
        }
        let is_made = |r: &&Resource| kinds.contains(&r.kind.as_str()) && r.stays() && r.get("id") == Got::Unknown;
        let mut made = self.plan.resources.iter().filter(is_made);
        match (made.next(), made.next()) {
            (Some(only), None) => Some(Found { values: vec![self.id_of(only, depth + 1)], is_partial: false }),
            _ => None,
        }
    }

    /// The block of an instance, and where it stands.
    fn block<'r>(self, resource: &'r Resource) -> Option<(&'p Block, Place<'r>)>
    where
        'p: 'r,
    {
        let module = self.module(&resource.module)?;
        let block = resource.block(module)?;
        let for_each = Some(&block.for_each_expression).filter(|e| !e.is_null());
        Some((block, Place { module: resource.module.clone(), key: resource.index.as_ref(), for_each }))
    }

    /// The configuration of a module instance.
    fn module(self, address: &str) -> Option<&'p Module> {
        let mut module = &self.plan.root;
        for step in steps(address).iter().filter(|step| step.name != "module") {
            module = &module.module_calls.get(&step.name)?.module;
        }
        Some(module)
    }

    fn expression(self, expression: &Value, place: &Place<'_>, kinds: &[&str], depth: u32) -> Candidates {
        let mut found = Candidates::default();
        let left = self.plan.left.load(Ordering::Relaxed);
        if depth > MAX_DEPTH || left == 0 {
            found.is_opaque = true;
            return found;
        }
        self.plan.left.store(left - 1, Ordering::Relaxed);
        if let Some(value) = expression.get("constant_value") {
            return constants(Some(value), kinds);
        }
        let Some(references) = expression.get("references").and_then(Value::as_array) else {
            found.is_opaque = true;
            return found;
        };
        let references: Vec<&str> = references.iter().filter_map(Value::as_str).collect();
        let is_by_key =
            references.iter().any(|r| *r == "count.index" || *r == "each.key" || r.starts_with("each.value"));
        for (i, reference) in references.iter().enumerate() {
            // Each reference is followed by its own beginnings.
            let is_beginning = references[..i]
                .iter()
                .any(|whole| whole.strip_prefix(reference).is_some_and(|rest| rest.starts_with(['.', '['])));
            if !is_beginning && !matches!(*reference, "count.index" | "each.key") {
                let next = self.reference(&steps(reference), place, kinds, depth + 1);
                found.is_opaque |= next.is_opaque;
                found.all.extend(if is_by_key { same_key(next.all, place.key) } else { next.all });
            }
        }
        found
    }

    fn reference(self, steps: &[Step], place: &Place<'_>, kinds: &[&str], depth: u32) -> Candidates {
        let opaque = || Candidates { all: Vec::new(), is_opaque: true };
        match steps {
            _ if depth > MAX_DEPTH => opaque(),
            [first, name, rest @ ..] if first.name == "var" => {
                let key = name.key.as_ref().or_else(|| rest.first().and_then(|step| step.key.as_ref()));
                let Some((call, above, above_key)) = self.call(&place.module) else {
                    let value = self.plan.variables.get(&name.name).map(|variable| &variable.value);
                    return pick(constants(value, kinds), key);
                };
                // One that is not handed in has its default, which is no reference.
                let Some(expression) = call.expressions.get(&name.name) else { return Candidates::default() };
                let for_each = Some(&call.for_each_expression).filter(|e| !e.is_null());
                let above = Place { module: above, key: above_key.as_ref(), for_each };
                let found = self.expression(expression, &above, kinds, depth);
                pick(found, key)
            }
            [first, name, output, ..] if first.name == "module" => {
                let instances = self.module_instances(&place.module, name);
                let mut found = Candidates { all: Vec::new(), is_opaque: instances.is_empty() };
                for (address, key) in instances {
                    let Some(module) = self.module(&address) else { return opaque() };
                    let Some(output_block) = module.outputs.get(&output.name) else { return opaque() };
                    let inside = Place { module: address, key: None, for_each: None };
                    let mut next = self.expression(&output_block.expression, &inside, kinds, depth);
                    if key.is_some() {
                        next.all.iter_mut().for_each(|candidate| candidate.key.clone_from(&key));
                    }
                    found.is_opaque |= next.is_opaque;
                    found.all.extend(next.all);
                }
                pick(found, output.key.as_ref())
            }
            [first, value, attribute @ ..] if first.name == "each" && value.name == "value" => {
                let Some(for_each) = place.for_each else { return opaque() };
                let Some(references) = for_each.get("references").and_then(Value::as_array) else { return opaque() };
                let Some(reference) = references.first().and_then(Value::as_str) else { return opaque() };
                let mut whole = self::steps(reference);
                whole.extend_from_slice(attribute);
                let found = self.reference(&whole, place, kinds, depth + 1);
                Candidates { all: same_key(found.all, place.key), ..found }
            }
            [first, ..] if ["local", "data", "self", "path", "terraform", "each", "count"].contains(&&*first.name) => {
                // Facts of the plan itself, such as `path.module`, are no ids.
                let is_fact = ["path", "terraform", "each", "count"].contains(&&*first.name);
                Candidates { all: Vec::new(), is_opaque: !is_fact }
            }
            [kind, name, attribute @ ..] => self.resources(kind, name, attribute, place, kinds, depth),
            _ => opaque(),
        }
    }

    /// The instances of a resource, or what an attribute of them comes to.
    fn resources(
        self,
        kind: &Step,
        name: &Step,
        attribute: &[Step],
        place: &Place<'_>,
        kinds: &[&str],
        depth: u32,
    ) -> Candidates {
        let mut found = Candidates::default();
        let all = self.plan.instances(&place.module, &kind.name, &name.name);
        for resource in all.filter(|r| name.key.is_none() || name.key == r.index) {
            let values = match attribute.first().map(|step| step.name.as_str()) {
                None | Some("id") if kinds.is_empty() || kinds.contains(&resource.kind.as_str()) => {
                    vec![self.id_of(resource, depth + 1)]
                }
                // Part of a condition, or of a name: not what is asked for.
                None | Some("id") => continue,
                Some(other) => {
                    let next = self.attribute(resource, other, kinds, depth);
                    found.is_opaque |= next.is_partial;
                    let index = attribute[0].key.as_ref().and_then(Value::as_u64);
                    match index.and_then(|i| usize::try_from(i).ok()) {
                        Some(i) => next.values.get(i).cloned().into_iter().collect(),
                        None => next.values,
                    }
                }
            };
            found.all.extend(values.into_iter().map(|value| Candidate { value, key: resource.index.clone() }));
        }
        found
    }

    /// What an attribute of another instance comes to; one that AWS makes gets a name of its own.
    fn attribute(self, resource: &Resource, attribute: &str, kinds: &[&str], depth: u32) -> Found {
        let found = self.values_of(resource, attribute, kinds, depth + 1);
        let is_computed = found.values.is_empty() && found.is_partial && !self.is_configured(resource, attribute);
        if is_computed && is_of_id(attribute) {
            return Found { values: vec![made_part(&self.id_of(resource, depth + 1), attribute)], is_partial: false };
        }
        found
    }

    /// The call of a module instance, the instance above it, and its key.
    fn call(self, address: &str) -> Option<(&'p Call, String, Option<Value>)> {
        let all = steps(address);
        let last = all.last()?;
        let above = address_of(&all[..all.len().checked_sub(2)?]);
        let call = self.module(&above)?.module_calls.get(&last.name)?;
        Some((call, above, last.key.clone()))
    }

    /// The instances of a module below another, by their addresses and keys.
    fn module_instances(self, above: &str, name: &Step) -> Vec<(String, Option<Value>)> {
        let mut prefix = above.to_owned();
        if !prefix.is_empty() {
            prefix.push('.');
        }
        prefix.push_str("module.");
        let depth = steps(above).len() + 2;
        let mut found: Vec<(String, Option<Value>)> = Vec::new();
        for resource in self.plan.resources.iter().filter(|r| r.module.starts_with(&prefix)) {
            let all = steps(&resource.module);
            let Some(step) = all.get(depth - 1).filter(|step| step.name == name.name) else { continue };
            if name.key.is_some() && name.key != step.key {
                continue;
            }
            let address = address_of(&all[..depth]);
            if !found.iter().any(|(known, _)| *known == address) {
                found.push((address, step.key.clone()));
            }
        }
        if found.is_empty() && name.key.is_none() {
            // A module without resources of interest may still hand something on.
            found.push((format!("{prefix}{}", name.name), None));
        }
        found
    }
}

/// Whether an attribute is the id of something that AWS makes along.
fn is_of_id(attribute: &str) -> bool {
    attribute.ends_with("_id") || attribute == "public_ip"
}

/// The id of an instance that is still to be made.
fn made_id(resource: &Resource) -> Str {
    // Where a route may lead is told by these beginnings.
    let prefix = match resource.kind.as_str() {
        "aws_internet_gateway" => "igw-",
        "aws_vpn_gateway" => "vgw-",
        "aws_vpc_endpoint" => "vpce-",
        _ => "",
    };
    format!("{prefix}{}", resource.address).into()
}

/// The id of something that is made along with an instance.
pub(super) fn made_part(id: &str, attribute: &str) -> Str {
    // The main table of a new VPC is its default table.
    let attribute = if attribute == "main_route_table_id" { "default_route_table_id" } else { attribute };
    format!("{id}.{attribute}").into()
}

/// The texts of a constant. Where an id is asked for, others are part of a condition.
fn constants(value: Option<&Value>, kinds: &[&str]) -> Candidates {
    let is_meant = |text: &Str| {
        kinds.is_empty() || kinds.iter().any(|kind| id_prefix(kind).is_some_and(|prefix| text.starts_with(prefix)))
    };
    let all = value.map(texts).unwrap_or_default().into_iter().filter(is_meant);
    Candidates { all: all.map(|value| Candidate { value, key: None }).collect(), is_opaque: false }
}

/// How the ids of a type begin.
fn id_prefix(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "aws_vpc" | "aws_default_vpc" => "vpc-",
        "aws_subnet" | "aws_default_subnet" => "subnet-",
        "aws_security_group" | "aws_default_security_group" => "sg-",
        "aws_network_acl" | "aws_default_network_acl" => "acl-",
        "aws_route_table" | "aws_default_route_table" => "rtb-",
        "aws_internet_gateway" => "igw-",
        "aws_egress_only_internet_gateway" => "eigw-",
        "aws_nat_gateway" => "nat-",
        "aws_vpc_endpoint" => "vpce-",
        "aws_vpn_gateway" => "vgw-",
        "aws_ec2_managed_prefix_list" => "pl-",
        "aws_network_interface" => "eni-",
        "aws_instance" => "i-",
        "aws_eip" => "eipalloc-",
        "aws_vpc_dhcp_options" | "aws_default_vpc_dhcp_options" => "dopt-",
        "aws_vpc_peering_connection" => "pcx-",
        "aws_ec2_transit_gateway" => "tgw-",
        "aws_ec2_carrier_gateway" => "cagw-",
        _ => return None,
    })
}

/// The candidates of the instance with the same key; all, if there is only one or none has it.
fn same_key(all: Vec<Candidate>, key: Option<&Value>) -> Vec<Candidate> {
    let Some(key) = key else { return all };
    if all.len() < 2 {
        return all;
    }
    if all.iter().any(|candidate| candidate.key.as_ref() == Some(key)) {
        return all.into_iter().filter(|candidate| candidate.key.as_ref() == Some(key)).collect();
    }
    // Elements of a list that was handed in.
    match key.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n < all.len()) {
        Some(n) => vec![all[n].clone()],
        None => all,
    }
}

/// One element, where the reference has an index.
fn pick(found: Candidates, key: Option<&Value>) -> Candidates {
    let Some(key) = key.filter(|_| !found.all.is_empty()) else { return found };
    let picked = match key.as_u64().and_then(|n| usize::try_from(n).ok()) {
        Some(n) => found.all.get(n).cloned(),
        None => found.all.iter().find(|candidate| candidate.key.as_ref() == Some(key)).cloned(),
    };
    let is_opaque = found.is_opaque || picked.is_none();
    Candidates { all: picked.into_iter().collect(), is_opaque }
}

/// The texts of a text or a list of texts.
fn texts(value: &Value) -> Vec<Str> {
    match value {
        Value::String(text) if !text.is_empty() => vec![text.as_str().into()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn dedup(values: &mut Vec<Str>) {
    let mut seen = std::collections::HashSet::new();
    values.retain(|value| seen.insert(value.clone()));
}

/// The address of steps.
fn address_of(steps: &[Step]) -> String {
    let mut address = String::new();
    for step in steps {
        if !address.is_empty() {
            address.push('.');
        }
        address.push_str(&step.name);
        if let Some(key) = &step.key {
            address.push_str(&format!("[{key}]"));
        }
    }
    address
}

/// The parts of a reference: `module.a["x.y"].b[0].id`.
fn steps(reference: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = reference;
    while !rest.is_empty() {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut key = None;
        while let Some(inside) = rest.strip_prefix('[') {
            let (value, length) = bracket(inside);
            key = key.or(value);
            rest = &inside[length..];
        }
        if !name.is_empty() {
            steps.push(Step { name, key });
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    steps
}

/// The key between brackets, and how long it is with the closing one.
fn bracket(inside: &str) -> (Option<Value>, usize) {
    let mut values = serde_json::Deserializer::from_str(inside).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) if inside[values.byte_offset()..].starts_with(']') => (Some(value), values.byte_offset() + 1),
        _ => (None, inside.find(']').map_or(inside.len(), |at| at + 1)),
    }
}
