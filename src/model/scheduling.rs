//! On which nodes a pod may land: the part of a pod specification that the scheduler's filters read, and taints.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::label::Labels;
use super::text::Str;

/// A taint of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "WrittenTaint")]
pub struct Taint {
    /// Key.
    pub key: Str,
    /// Value; often empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub value: Str,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; empty where it is not known.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub effect: Str,
}

/// A taint as snapshots hold it; earlier ones have its key only.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenTaint {
    Key(Str),
    Whole {
        key: Str,
        #[serde(default)]
        value: Str,
        #[serde(default)]
        effect: Str,
    },
}

impl From<WrittenTaint> for Taint {
    fn from(written: WrittenTaint) -> Self {
        match written {
            WrittenTaint::Key(key) => Self { key, ..Self::default() },
            WrittenTaint::Whole { key, value, effect } => Self { key, value, effect },
        }
    }
}

impl Taint {
    /// Whether pods that do not tolerate it are kept off: `PreferNoSchedule` is a wish only.
    pub fn keeps_off(&self) -> bool {
        self.effect != "PreferNoSchedule"
    }

    /// Whether pods that do not tolerate it may not even stay, which kubelet sees to where no scheduler was asked.
    pub fn evicts(&self) -> bool {
        self.effect == "NoExecute"
    }
}

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if !self.value.is_empty() {
            write!(f, "={}", &*self.value)?;
        }
        if !self.effect.is_empty() {
            write!(f, ":{}", &*self.effect)?;
        }
        Ok(())
    }
}

/// What a pod specification says about the node that it runs on, beside `nodeSelector`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Scheduling {
    /// `nodeName` of a template: no scheduler is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<Str>,
    /// `affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`: one of them must
    /// match. `None`: there is no such affinity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Vec<NodeTerm>>,
    /// `tolerations`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

/// A term of a required node affinity (`v1.NodeSelectorTerm`): all of it must match. An empty one matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeTerm {
    /// `matchExpressions`, by the node's labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expressions: Vec<NodeRequirement>,
    /// `matchFields`, by the node's name, which is the only field that there is (`metadata.name`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<NodeRequirement>,
}

impl NodeTerm {
    /// Whether a node of that name with these labels matches.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        let is_empty = self.expressions.is_empty() && self.names.is_empty();
        !is_empty
            && self.expressions.iter().all(|e| e.admits(labels.get(&e.key).map(Str::as_str)))
            && self.names.iter().all(|n| n.admits(Some(name)))
    }
}

/// One requirement of a term (`v1.NodeSelectorRequirement`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeRequirement {
    /// The label's key.
    pub key: Str,
    /// How it compares.
    pub operator: NodeOperator,
    /// Values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Str>,
}

/// How a requirement of a node affinity compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NodeOperator {
    /// The key is there with one of the values.
    In,
    /// The key is absent, or its value is none of these.
    NotIn,
    /// The key is there.
    Exists,
    /// The key is absent.
    DoesNotExist,
    /// The key is there, and its value is a whole number greater than the one that is given.
    Gt,
    /// The key is there, and its value is a whole number less than the one that is given.
    Lt,
}

impl NodeRequirement {
    /// A requirement in the API's words; `None` for what an API server rejects or this version does not know
    /// (apimachinery, `labels.NewRequirement`).
    pub fn new(key: Str, operator: &str, values: Vec<Str>) -> Option<Self> {
        let operator = match operator {
            "In" => NodeOperator::In,
            "NotIn" => NodeOperator::NotIn,
            "Exists" => NodeOperator::Exists,
            "DoesNotExist" => NodeOperator::DoesNotExist,
            "Gt" => NodeOperator::Gt,
            "Lt" => NodeOperator::Lt,
            _ => return None,
        };
        let is_sound = match operator {
            NodeOperator::In | NodeOperator::NotIn => !values.is_empty(),
            NodeOperator::Exists | NodeOperator::DoesNotExist => values.is_empty(),
            NodeOperator::Gt | NodeOperator::Lt => matches!(values.as_slice(), [one] if number(one).is_some()),
        };
        (is_sound && !key.is_empty()).then_some(Self { key, operator, values })
    }

    fn admits(&self, value: Option<&str>) -> bool {
        let is_listed = |value: &str| self.values.iter().any(|v| *v == value);
        let numbers = || Some((number(value?)?, number(self.values.first()?)?));
        match self.operator {
            NodeOperator::In => value.is_some_and(is_listed),
            NodeOperator::NotIn => !value.is_some_and(is_listed),
            NodeOperator::Exists => value.is_some(),
            NodeOperator::DoesNotExist => value.is_none(),
            NodeOperator::Gt => numbers().is_some_and(|(own, bound)| own > bound),
            NodeOperator::Lt => numbers().is_some_and(|(own, bound)| own < bound),
        }
    }
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// A toleration of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// The taint's key; empty: any.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub key: Str,
    /// Operator `Exists`: any value; else that of `value`.
    #[serde(default)]
    pub any_value: bool,
    /// The taint's value.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub value: Str,
    /// The taint's effect; empty: any.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub effect: Str,
}

impl Toleration {
    /// A toleration in the API's words; `None` for an operator that this version does not know.
    pub fn new(key: Str, operator: &str, value: Str, effect: Str) -> Option<Self> {
        match operator {
            "" | "Equal" => Some(Self { key, any_value: false, value, effect }),
            "Exists" => Some(Self { key, any_value: true, value: Str::default(), effect }),
            _ => None,
        }
    }

    /// Whether it tolerates a taint (`v1.Toleration.ToleratesTaint`).
    pub fn tolerates(&self, taint: &Taint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && (self.any_value || self.value == taint.value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn requirement(key: &str, operator: &str, values: &[&str]) -> Option<NodeRequirement> {
        NodeRequirement::new(key.into(), operator, values.iter().map(|v| (*v).into()).collect())
    }

    #[test]
    fn requirements_compare_as_the_scheduler_does() {
        for (operator, values, value, expected) in [
            ("In", &["a", "b"][..], Some("b"), true),
            ("In", &["a"], Some("b"), false),
            ("In", &["a"], None, false),
            ("NotIn", &["a"], Some("a"), false),
            ("NotIn", &["a"], Some("b"), true),
            ("NotIn", &["a"], None, true),
            ("Exists", &[], Some(""), true),
            ("Exists", &[], None, false),
            ("DoesNotExist", &[], None, true),
            ("DoesNotExist", &[], Some("a"), false),
            ("Gt", &["4"], Some("5"), true),
            ("Gt", &["5"], Some("5"), false),
            ("Gt", &["5"], Some("10"), true),
            ("Gt", &["4"], None, false),
            ("Gt", &["4"], Some("five"), false),
            ("Lt", &["10"], Some("9"), true),
            ("Lt", &["10"], Some("10"), false),
            ("Lt", &["10"], None, false),
        ] {
            let one = requirement("k", operator, values).unwrap();
            assert_eq!(one.admits(value), expected, "{operator} {values:?} {value:?}");
        }
    }

    #[test]
    fn what_the_api_rejects_is_none() {
        for (operator, values) in
            [("In", &[][..]), ("Exists", &["a"]), ("Gt", &["x"]), ("Lt", &["1", "2"]), ("Near", &["1"])]
        {
            assert_eq!(requirement("k", operator, values), None, "{operator} {values:?}");
        }
    }

    #[test]
    fn an_empty_term_matches_nothing_and_a_full_one_needs_all() {
        let labels = Labels::new([("zone".into(), "a".into())]);
        assert!(!NodeTerm::default().matches("n", &labels));
        let expressions = vec![requirement("zone", "In", &["a"]).unwrap()];
        let names = vec![requirement("metadata.name", "In", &["n"]).unwrap()];
        let term = NodeTerm { expressions, names };
        assert!(term.matches("n", &labels) && !term.matches("m", &labels) && !term.matches("n", &Labels::default()));
    }

    #[test]
    fn tolerations_are_met() {
        let taint = |text: &str| {
            let (key, rest) = text.split_once('=').unwrap();
            let (value, effect) = rest.split_once(':').unwrap();
            Taint { key: key.into(), value: value.into(), effect: effect.into() }
        };
        for (key, operator, value, effect, of, expected) in [
            ("", "Exists", "", "", "a=b:NoSchedule", true),
            ("", "Exists", "", "NoExecute", "a=b:NoSchedule", false),
            ("a", "Exists", "", "", "a=b:NoExecute", true),
            ("a", "", "b", "", "a=b:NoExecute", true),
            ("a", "Equal", "c", "", "a=b:NoExecute", false),
            ("a", "Equal", "b", "NoSchedule", "a=b:NoSchedule", true),
            ("b", "Exists", "", "", "a=b:NoSchedule", false),
        ] {
            let one = Toleration::new(key.into(), operator, value.into(), effect.into()).unwrap();
            assert_eq!(one.tolerates(&taint(of)), expected, "{key} {operator} {value} {effect} {of}");
        }
        assert_eq!(Toleration::new("a".into(), "Gt", "1".into(), "".into()), None);
    }

    #[test]
    fn taints_of_earlier_snapshots_load() {
        let taints: Vec<Taint> = serde_json::from_str(r#"["a", {"key":"b","effect":"NoSchedule"}]"#).unwrap();
        let written = serde_json::to_string(&taints).unwrap();
        assert_eq!(written, r#"[{"key":"a"},{"key":"b","effect":"NoSchedule"}]"#);
        assert_eq!(serde_json::from_str::<Vec<Taint>>(&written).unwrap(), taints);
    }
}
