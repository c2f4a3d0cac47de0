//! `NetworkPolicy`, with the keys that the API does not have.
//!
//! An API server drops or rejects an unknown key; either way a rule says something else than its author
//! thinks (`port:` for `ports:` opens every port), so such keys are collected.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{IntOrText, Meta, Pairs, Text};

/// A `NetworkPolicy`.
#[derive(Debug, Deserialize)]
pub(crate) struct NetworkPolicy<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<PolicyMeta<'a>>,
    #[serde(borrow)]
    pub(crate) spec: Option<PolicySpec<'a>>,
}

/// Metadata, with what only a live object has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PolicyMeta<'a> {
    #[serde(borrow, flatten)]
    pub(crate) meta: Meta<'a>,
    #[serde(borrow)]
    pub(crate) resource_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) managed_fields: Option<Vec<ManagedFields<'a>>>,
}

/// Who wrote which fields, and when.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagedFields<'a> {
    #[serde(borrow)]
    pub(crate) manager: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) time: Option<Text<'a>>,
    pub(crate) fields_v1: Option<OwnedFields>,
}

/// Whether `fieldsV1` touches `spec`.
#[derive(Debug, Deserialize)]
pub(crate) struct OwnedFields {
    #[serde(rename = "f:spec")]
    pub(crate) spec: Option<IgnoredAny>,
}

/// Reads an object field by field and keeps the names of the fields that it does not know.
macro_rules! strict {
    ($(#[$doc:meta])* $name:ident { $($field:ident = $key:literal: $ty:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name<'a> {
            $(pub(crate) $field: Option<$ty>,)+
            pub(crate) unknown: Vec<String>,
            marker: PhantomData<&'a ()>,
        }

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct FieldsVisitor<'a>(PhantomData<&'a ()>);

                impl<'de: 'a, 'a> Visitor<'de> for FieldsVisitor<'a> {
                    type Value = $name<'a>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a map of the fields of ", stringify!($name)))
                    }

                    // `null` is the empty value, also as an entry of a list (`egress: [null]` admits everything).
                    fn visit_unit<E>(self) -> Result<$name<'a>, E> {
                        Ok($name::default())
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name<'a>, A::Error> {
                        let mut value = $name::default();
                        while let Some(key) = map.next_key::<Text<'de>>()? {
                            match &*key {
                                $($key => {
                                    if value.$field.is_some() {
                                        return Err(A::Error::duplicate_field($key));
                                    }
                                    value.$field = map.next_value()?;
                                })+
                                unknown => {
                                    value.unknown.push(unknown.to_owned());
                                    map.next_value::<IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(value)
                    }
                }

                deserializer.deserialize_any(FieldsVisitor(PhantomData))
            }
        }
    };
}

strict! {
    /// `NetworkPolicySpec`; rules stay text until their place in it was taken.
    PolicySpec {
        pod_selector = "podSelector": Selector<'a>,
        policy_types = "policyTypes": Vec<Text<'a>>,
        ingress = "ingress": Vec<&'a RawValue>,
        egress = "egress": Vec<&'a RawValue>,
    }
}

strict! {
    /// `NetworkPolicyIngressRule`.
    IngressRule {
        peers = "from": Vec<Peer<'a>>,
        ports = "ports": Vec<Port<'a>>,
    }
}

strict! {
    /// `NetworkPolicyEgressRule`.
    EgressRule {
        peers = "to": Vec<Peer<'a>>,
        ports = "ports": Vec<Port<'a>>,
    }
}

strict! {
    /// `NetworkPolicyPeer`.
    Peer {
        ip_block = "ipBlock": IpBlock<'a>,
        pod_selector = "podSelector": Selector<'a>,
        namespace_selector = "namespaceSelector": Selector<'a>,
    }
}

strict! {
    /// `IPBlock`.
    IpBlock {
        cidr = "cidr": Text<'a>,
        except = "except": Vec<Text<'a>>,
    }
}

strict! {
    /// `NetworkPolicyPort`.
    Port {
        protocol = "protocol": Text<'a>,
        number = "port": IntOrText,
        last = "endPort": i64,
    }
}

strict! {
    /// `LabelSelector`.
    Selector {
        match_labels = "matchLabels": Pairs<'a>,
        match_expressions = "matchExpressions": Vec<Expression<'a>>,
    }
}

strict! {
    /// `LabelSelectorRequirement`.
    Expression {
        key = "key": Text<'a>,
        operator = "operator": Text<'a>,
        values = "values": Vec<Text<'a>>,
    }
}
