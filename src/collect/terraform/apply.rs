//! What all objects of a plan have in common on their way into a scope.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::aws::Item;
use super::plan::{Got, Plan, Resource};
use super::refs::{Refs, made_part};
use crate::model::aws::{AwsList, AwsScope, GroupIdentifier};
use crate::model::object::Origin;
use crate::model::{CoverageState, Str};

/// A plan on its way into a scope.
pub(super) struct Apply<'a> {
    pub(super) refs: Refs<'a>,
    pub(super) scope: &'a mut AwsScope,
    /// What of the plan is about this scope.
    pub(super) resources: Vec<&'a Resource>,
    /// The plan's file.
    pub(super) source: u32,
    /// Addresses of resources of which it cannot be told what they change.
    pub(super) unclear: BTreeSet<String>,
}

/// An id that an attribute holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Link {
    Id(Str),
    /// It holds none.
    None,
    /// Which it is cannot be told before the plan is applied.
    Unclear,
}

pub(super) const VPC: &[&str] = &["aws_vpc", "aws_default_vpc"];
pub(super) const SUBNET: &[&str] = &["aws_subnet", "aws_default_subnet"];
pub(super) const GROUP: &[&str] = &["aws_security_group", "aws_default_security_group"];
pub(super) const ACL: &[&str] = &["aws_network_acl", "aws_default_network_acl"];
pub(super) const TABLE: &[&str] = &["aws_route_table", "aws_default_route_table"];
pub(super) const PREFIX_LIST: &[&str] = &["aws_ec2_managed_prefix_list"];
pub(super) const INTERFACE: &[&str] = &["aws_network_interface"];
pub(super) const INSTANCE: &[&str] = &["aws_instance"];
pub(super) const ENDPOINT: &[&str] = &["aws_vpc_endpoint"];

impl<'a> Apply<'a> {
    pub(super) fn new(plan: &'a Plan, scope: &'a mut AwsScope, resources: Vec<&'a Resource>, source: u32) -> Self {
        Self { refs: Refs { plan }, scope, resources, source, unclear: BTreeSet::new() }
    }

    /// Resources of these types that are there once the plan was applied.
    pub(super) fn of(&self, kinds: &[&str]) -> Vec<&'a Resource> {
        self.resources.iter().filter(|r| !r.is_data && r.stays() && kinds.contains(&r.kind.as_str())).copied().collect()
    }

    /// Resources of these types that the plan takes away or replaces.
    pub(super) fn gone(&self, kinds: &[&str]) -> Vec<&'a Resource> {
        let is_gone = |r: &&&Resource| !r.is_data && !r.before.is_empty() && r.changes();
        self.resources.iter().filter(is_gone).filter(|r| kinds.contains(&r.kind.as_str())).copied().collect()
    }

    /// Data sources of this type that were read.
    pub(super) fn data(&self, kind: &str) -> Vec<&'a Resource> {
        self.resources.iter().filter(|r| r.is_data && r.kind == kind).copied().collect()
    }

    pub(super) fn origin(&self, resource: &Resource) -> Origin {
        Origin { source: self.source, line: resource.line }
    }

    /// Nothing may be concluded from what a list does not hold.
    pub(super) fn doubt(&mut self, list: AwsList, resource: &Resource, attribute: &str) {
        if let Some(state @ CoverageState::Read) = self.scope.read.get_mut(&list) {
            let why = format!("{attribute} of {} is known only when the plan is applied", resource.address);
            *state = CoverageState::Failed(why);
        }
    }

    /// A text that is known, or follows from another resource.
    ///
    /// # Errors
    ///
    /// It is known only when the plan is applied.
    pub(super) fn told(&self, resource: &Resource, attribute: &str) -> Result<Str, ()> {
        match self.link(resource, attribute, &[]) {
            Link::Id(text) => Ok(text),
            Link::None => Ok(Str::default()),
            Link::Unclear => Err(()),
        }
    }

    /// The id that an attribute holds, of one of these types.
    pub(super) fn link(&self, resource: &Resource, attribute: &str, kinds: &[&str]) -> Link {
        let found = self.refs.values(resource, attribute, kinds);
        match (found.values.as_slice(), found.is_partial) {
            ([id], false) => Link::Id(id.clone()),
            ([], false) => Link::None,
            _ => Link::Unclear,
        }
    }

    /// [`Self::link`], with an id that nothing has for one that cannot be told.
    pub(super) fn id(&mut self, resource: &Resource, attribute: &str, kinds: &[&str], list: AwsList) -> Str {
        match self.link(resource, attribute, kinds) {
            Link::Id(id) => id,
            Link::None => Str::default(),
            Link::Unclear => {
                self.doubt(list, resource, attribute);
                made_part(&resource.address, attribute)
            }
        }
    }

    /// The ids that an attribute holds. Where there may be others, an id that nothing has stands for them.
    pub(super) fn ids(&mut self, resource: &Resource, attribute: &str, kinds: &[&str], list: AwsList) -> Vec<Str> {
        let mut found = self.refs.values(resource, attribute, kinds);
        if found.is_partial {
            self.doubt(list, resource, attribute);
            found.values.push(made_part(&resource.address, attribute));
        }
        found.values
    }

    /// The VPC of a resource, or else of its subnet.
    pub(super) fn vpc_of(&mut self, resource: &Resource, subnet: &str) -> Str {
        if let Link::Id(id) = self.link(resource, "vpc_id", VPC) {
            return id;
        }
        let subnet = self.scope.subnets.iter().find(|known| known.subnet_id == *subnet);
        subnet.map(|subnet| subnet.vpc_id.clone()).unwrap_or_default()
    }
}

/// A text that is known.
pub(super) fn text(resource: &Resource, attribute: &str) -> Str {
    match resource.get(attribute) {
        Got::Value(Value::String(text)) => text.as_str().into(),
        _ => Str::default(),
    }
}

/// A truth value that is known.
pub(super) fn truth(resource: &Resource, attribute: &str) -> Option<bool> {
    match resource.get(attribute) {
        Got::Value(Value::Bool(value)) => Some(*value),
        Got::Value(Value::String(text)) => text.parse().ok(),
        _ => None,
    }
}

/// A number that is known.
pub(super) fn number(value: Option<&Value>) -> Option<i32> {
    match value? {
        Value::Number(number) => i32::try_from(number.as_i64()?).ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The object of a list with this id, which is made if there is none; `true` if it was made.
pub(super) fn entry<'l, T: Item>(list: &'l mut Vec<T>, id: &Str, make: impl FnOnce(Str) -> T) -> (&'l mut T, bool) {
    let at = list.iter().position(|known| known.id() == id.as_str());
    let is_made = at.is_none();
    let at = at.unwrap_or(list.len());
    if is_made {
        list.push(make(id.clone()));
    }
    (&mut list[at], is_made)
}

/// Groups of an interface or endpoint.
pub(super) fn groups(ids: Vec<Str>) -> Vec<GroupIdentifier> {
    ids.into_iter().map(|group_id| GroupIdentifier { group_id, ..GroupIdentifier::default() }).collect()
}

/// Writes what is told over what was there.
pub(super) fn tell(field: &mut Str, told: Str) {
    if !told.is_empty() {
        *field = told;
    }
}
