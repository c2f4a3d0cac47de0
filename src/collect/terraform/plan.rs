//! The parts of a plan that are needed, from the JSON that `terraform show -json` prints.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU32;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::lines::Lines;

/// A plan, or a state.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(super) resources: Vec<Resource>,
    /// Indices of resources by their blocks.
    by_block: HashMap<String, Vec<usize>>,
    pub(super) root: Module,
    /// Provider configurations by their keys.
    pub(super) providers: BTreeMap<String, Provider>,
    pub(super) variables: BTreeMap<String, Variable>,
    /// A data source is read only when the plan is applied.
    pub(super) reads_later: bool,
    /// How many expressions may still be looked at.
    pub(super) left: AtomicU32,
}

/// One instance of a resource or data source.
#[derive(Debug, Default)]
pub(super) struct Resource {
    /// Its whole address, with the index.
    pub(super) address: String,
    /// The module instance that it is in; empty for the root.
    pub(super) module: String,
    pub(super) kind: String,
    pub(super) name: String,
    /// Its key of `count` or `for_each`.
    pub(super) index: Option<Value>,
    pub(super) is_data: bool,
    pub(super) action: Action,
    pub(super) before: Map<String, Value>,
    pub(super) after: Map<String, Value>,
    /// What of `after` is known only when the plan was applied.
    pub(super) unknown: Value,
    pub(super) line: u32,
}

/// What happens to an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Action {
    #[default]
    Keep,
    Create,
    Update,
    Replace,
    Delete,
}

/// A value of an instance after the plan was applied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Got<'p> {
    Value(&'p Value),
    /// Absent, or null.
    Null,
    /// Known only then.
    Unknown,
}

/// A module of the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Module {
    pub(super) resources: Vec<Block>,
    pub(super) module_calls: BTreeMap<String, Call>,
    pub(super) outputs: BTreeMap<String, Output>,
}

/// A resource block.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Block {
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    pub(super) provider_config_key: String,
    pub(super) expressions: Map<String, Value>,
    pub(super) for_each_expression: Value,
}

/// A `module` block.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Call {
    pub(super) expressions: Map<String, Value>,
    pub(super) for_each_expression: Value,
    pub(super) module: Module,
}

/// An `output` block.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Output {
    pub(super) expression: Value,
}

/// A `provider` block.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Provider {
    pub(super) expressions: Map<String, Value>,
}

/// A variable of the root module.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Variable {
    pub(super) value: Value,
}

#[derive(Deserialize)]
struct Raw<'a> {
    format_version: String,
    #[serde(borrow)]
    resource_changes: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    planned_values: Option<&'a RawValue>,
    #[serde(borrow)]
    prior_state: Option<State<'a>>,
    /// Of a state.
    #[serde(borrow)]
    values: Option<&'a RawValue>,
    configuration: Option<Configuration>,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
}

#[derive(Deserialize)]
struct State<'a> {
    #[serde(borrow)]
    values: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default, alias = "provider_configs")]
    provider_config: BTreeMap<String, Provider>,
    #[serde(default)]
    root_module: Module,
}

#[derive(Deserialize)]
struct RawChange {
    address: String,
    #[serde(default)]
    module_address: String,
    mode: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    index: Option<Value>,
    deposed: Option<String>,
    change: Change,
}

#[derive(Deserialize)]
struct Change {
    actions: Vec<String>,
    before: Option<Map<String, Value>>,
    after: Option<Map<String, Value>>,
    #[serde(default)]
    after_unknown: Value,
}

/// Only what tells whether the rest is of interest.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    mode: Option<std::borrow::Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Values<'a> {
    #[serde(borrow)]
    root_module: Option<ModuleValues<'a>>,
}

#[derive(Deserialize)]
struct ModuleValues<'a> {
    #[serde(default)]
    address: String,
    #[serde(default, borrow)]
    resources: Vec<&'a RawValue>,
    #[serde(default, borrow)]
    child_modules: Vec<ModuleValues<'a>>,
}

#[derive(Deserialize)]
struct RawResource {
    address: String,
    mode: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    index: Option<Value>,
    values: Option<Map<String, Value>>,
}

/// The types of interest are those of the AWS provider.
const PREFIX: &str = "aws_";

impl Plan {
    /// Reads a plan or a state.
    ///
    /// # Errors
    ///
    /// Where the text is not of the documented shape, or of a major version that is not known.
    pub(super) fn parse(text: &str, lines: &Lines<'_>) -> Result<Self, String> {
        let raw: Raw<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !matches!(raw.format_version.split('.').next(), Some("0" | "1")) {
            return Err(format!("format_version {} is not known", raw.format_version));
        }
        let mut plan = Self { variables: raw.variables, ..Self::default() };
        if let Some(configuration) = raw.configuration {
            plan.root = configuration.root_module;
            plan.providers = configuration.provider_config;
        }
        match (&raw.resource_changes, raw.planned_values, raw.values) {
            (Some(changes), ..) => {
                for change in changes {
                    plan.change(change.get(), lines)?;
                }
            }
            (None, Some(values), _) | (None, None, Some(values)) => plan.values(values, lines, false)?,
            (None, None, None) => {}
        }
        // Data sources that were read for the plan are no changes.
        for values in [raw.prior_state.and_then(|state| state.values), raw.planned_values].into_iter().flatten() {
            plan.values(values, lines, true)?;
        }
        for (i, resource) in plan.resources.iter().enumerate() {
            let key = block_key(&resource.module, &resource.kind, &resource.name);
            plan.by_block.entry(key).or_default().push(i);
        }
        Ok(plan)
    }

    fn change(&mut self, text: &str, lines: &Lines<'_>) -> Result<(), String> {
        let head: Kind<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let is_data = head.mode.as_deref() == Some("data");
        self.reads_later |= is_data;
        if is_data || !head.kind.starts_with(PREFIX) {
            return Ok(());
        }
        let raw: RawChange = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let actions: Vec<&str> = raw.change.actions.iter().map(String::as_str).collect();
        let before = raw.change.before.unwrap_or_default();
        let (action, after) = match actions[..] {
            // It leaves the state and stays in the cloud.
            ["forget"] => (Action::Keep, Some(before.clone())),
            ["create"] => (Action::Create, raw.change.after),
            ["update"] => (Action::Update, raw.change.after),
            ["delete"] => (Action::Delete, None),
            ["delete", "create"] | ["create", "delete" | "forget"] => (Action::Replace, raw.change.after),
            _ => (Action::Keep, raw.change.after),
        };
        // An earlier object of the same address, which is still to be deleted.
        let address = raw.deposed.map_or(raw.address.clone(), |key| format!("{} ({key})", raw.address));
        self.resources.push(Resource {
            address,
            module: raw.module_address,
            kind: raw.kind,
            name: raw.name,
            index: raw.index,
            is_data: raw.mode.as_deref() == Some("data"),
            action,
            before,
            after: after.unwrap_or_default(),
            unknown: raw.change.after_unknown,
            line: lines.of(text),
        });
        Ok(())
    }

    fn values(&mut self, values: &RawValue, lines: &Lines<'_>, only_data: bool) -> Result<(), String> {
        let values: Values<'_> = serde_json::from_str(values.get()).map_err(|error| error.to_string())?;
        let mut open: Vec<ModuleValues<'_>> = values.root_module.into_iter().collect();
        while let Some(module) = open.pop() {
            for text in module.resources {
                let head: Kind<'_> = serde_json::from_str(text.get()).map_err(|error| error.to_string())?;
                let is_data = head.mode.as_deref() == Some("data");
                if !head.kind.starts_with(PREFIX) || (only_data && !is_data) {
                    continue;
                }
                let raw: RawResource = serde_json::from_str(text.get()).map_err(|error| error.to_string())?;
                if self.resources.iter().any(|known| known.is_data && known.address == raw.address) {
                    continue;
                }
                self.resources.push(Resource {
                    address: raw.address,
                    module: module.address.clone(),
                    kind: raw.kind,
                    name: raw.name,
                    index: raw.index,
                    is_data: raw.mode.as_deref() == Some("data"),
                    after: raw.values.unwrap_or_default(),
                    line: lines.of(text.get()),
                    ..Resource::default()
                });
            }
            open.extend(module.child_modules);
        }
        Ok(())
    }

    /// The instances of a resource block that are there once the plan was applied.
    pub(super) fn instances(&self, module: &str, kind: &str, name: &str) -> impl Iterator<Item = &Resource> {
        let indices = self.by_block.get(&block_key(module, kind, name));
        indices.into_iter().flatten().map(|i| &self.resources[*i]).filter(|r| !r.is_data && r.stays())
    }
}

fn block_key(module: &str, kind: &str, name: &str) -> String {
    format!("{module} {kind} {name}")
}

impl Resource {
    /// Whether it is there once the plan was applied.
    pub(super) fn stays(&self) -> bool {
        self.action != Action::Delete
    }

    /// Whether it is made by the plan.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.action, Action::Create | Action::Replace)
    }

    /// Whether the plan changes anything about it.
    pub(super) fn changes(&self) -> bool {
        self.action != Action::Keep
    }

    /// A value after the plan was applied.
    pub(super) fn get(&self, attribute: &str) -> Got<'_> {
        got(self.after.get(attribute), self.unknown.get(attribute))
    }

    /// A text that was there before.
    pub(super) fn before(&self, attribute: &str) -> &str {
        self.before.get(attribute).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its block in a module.
    pub(super) fn block<'m>(&self, module: &'m Module) -> Option<&'m Block> {
        let mode = if self.is_data { "data" } else { "managed" };
        module.resources.iter().find(|block| block.kind == self.kind && block.name == self.name && block.mode == mode)
    }
}

/// A value beside what tells whether it is known.
pub(super) fn got<'p>(value: Option<&'p Value>, unknown: Option<&'p Value>) -> Got<'p> {
    match (value, unknown) {
        (_, Some(Value::Bool(true))) => Got::Unknown,
        (None | Some(Value::Null), _) => Got::Null,
        (Some(value), _) => Got::Value(value),
    }
}
