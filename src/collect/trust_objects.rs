//! Objects that hold certificates or spread them: ClusterTrustBundles, trust-manager's bundles, OpenShift's
//! ControllerConfig.

use serde::Deserialize;

use super::decode::{Decoder, Wrong, parse};
use super::kubeadm;
use super::lines::Lines;
use super::machine::Machine;
use super::raw;
use super::trust_maps::Content;
use crate::model::object::{Meta, WrittenSelector};
use crate::model::trust::TrustBundle;
use crate::model::{Selector, Str};

/// What was read of such an object.
#[derive(Clone, Debug)]
pub(crate) enum TrustObject {
    /// It holds certificates itself.
    Bundle(Box<TrustBundle>),
    /// It gathers certificates and writes them into ConfigMaps.
    Managed(Box<Managed>),
    /// What OpenShift's machine configuration gives to every node.
    Controller(Box<Controller>),
    /// What Cluster API writes to new nodes.
    Machine(Box<Machine>),
}

/// A `Bundle` or `ClusterBundle` of trust-manager.
#[derive(Clone, Debug)]
pub(crate) struct Managed {
    pub(crate) kind: Str,
    pub(crate) meta: Meta,
    pub(crate) sources: Vec<Source>,
    pub(crate) public_roots: bool,
    /// Keys of the ConfigMaps that it writes, and whether the content is PEM.
    pub(crate) keys: Vec<(Str, bool)>,
    /// The namespaces that get one.
    pub(crate) targets: Selector,
    /// Why it is not up to date, in its own words.
    pub(crate) not_synced: Option<String>,
}

/// Where trust-manager takes certificates from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// ConfigMaps of its trust namespace by name or by labels, one key or all.
    ConfigMap { name: Option<Str>, selector: Option<Selector>, key: Option<Str> },
    /// Not read.
    Secret,
    /// In the object itself.
    Inline(Content),
    /// Of a form that is not known.
    Unknown,
}

/// The trust of OpenShift's nodes, as its machine configuration has put it together.
#[derive(Clone, Debug)]
pub(crate) struct Controller {
    pub(crate) meta: Meta,
    /// `additionalTrustBundle`: of the whole system.
    pub(crate) system: Content,
    /// `imageRegistryBundleData` and `…UserData`: by `host` or `host..port`.
    pub(crate) registries: Vec<(Str, Content)>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrustBundleSpec {
    signer_name: Option<Str>,
    trust_bundle: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundleSpec {
    /// Of a `Bundle`.
    sources: Option<Vec<BundleSource>>,
    target: Option<Target>,
    /// Of a `ClusterBundle`.
    source_refs: Option<Vec<SourceRef>>,
    #[serde(rename = "defaultCAs")]
    default_cas: Option<DefaultCas>,
    #[serde(rename = "inLineCAs")]
    in_line_cas: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundleSource {
    config_map: Option<SourceObject>,
    secret: Option<serde::de::IgnoredAny>,
    in_line: Option<String>,
    #[serde(rename = "useDefaultCAs")]
    use_default_cas: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SourceObject {
    name: Option<Str>,
    selector: Option<WrittenSelector>,
    key: Option<Str>,
}

#[derive(Deserialize)]
struct SourceRef {
    kind: Option<Str>,
    #[serde(flatten)]
    object: SourceObject,
}

#[derive(Deserialize)]
struct DefaultCas {
    provider: Option<Str>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    config_map: Option<TargetMap>,
    additional_formats: Option<Formats>,
    namespace_selector: Option<WrittenSelector>,
}

#[derive(Default, Deserialize)]
struct TargetMap {
    /// Of a `Bundle`.
    key: Option<Str>,
    /// Of a `ClusterBundle`.
    data: Option<Vec<TargetKey>>,
}

#[derive(Deserialize)]
struct TargetKey {
    key: Str,
    format: Option<Str>,
}

#[derive(Default, Deserialize)]
struct Formats {
    jks: Option<TargetMap>,
    pkcs12: Option<TargetMap>,
}

#[derive(Default, Deserialize)]
struct Status {
    conditions: Option<Vec<Condition>>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: Option<Str>,
    status: Option<Str>,
    message: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ControllerSpec {
    additional_trust_bundle: Option<String>,
    image_registry_bundle_data: Option<Vec<RegistryBundle>>,
    image_registry_bundle_user_data: Option<Vec<RegistryBundle>>,
}

#[derive(Deserialize)]
struct RegistryBundle {
    file: Option<Str>,
    data: Option<String>,
}

impl Decoder {
    pub(super) fn trust_object(&mut self, text: &str, kind: &str, lines: &Lines<'_>) -> Result<TrustObject, Wrong> {
        let raw: raw::Trusting<'_> = parse(text, kind, lines)?;
        let mut meta = self.meta(raw.metadata.as_ref())?;
        let kind = self.scratch.str(kind);
        if kind.starts_with("Kubeadm") {
            return Ok(TrustObject::Machine(Box::new(kubeadm::read(&kind, meta, raw.spec, lines)?)));
        }
        meta.namespace = None;
        match &*kind {
            "ClusterTrustBundle" => {
                let spec: TrustBundleSpec = inside("spec", raw.spec, lines)?;
                let content = self.scratch.content(spec.trust_bundle.unwrap_or_default().as_bytes());
                let Content { certificates, problems, unread, .. } = content;
                Ok(TrustObject::Bundle(Box::new(TrustBundle {
                    kind,
                    meta,
                    key: Str::default(),
                    signer: spec.signer_name.filter(|name| !name.is_empty()),
                    certificates,
                    problems,
                    unread,
                    // The API server refuses anything but certificates in it.
                    private_keys: 0,
                    public_roots: false,
                    targets: None,
                })))
            }
            "ControllerConfig" => {
                let spec: ControllerSpec = inside("spec", raw.spec, lines)?;
                let listed = spec.image_registry_bundle_data.into_iter().chain(spec.image_registry_bundle_user_data);
                Ok(TrustObject::Controller(Box::new(Controller {
                    meta,
                    system: self.encoded(spec.additional_trust_bundle.as_deref()),
                    registries: listed
                        .flatten()
                        .filter_map(|bundle| Some((bundle.file?, self.encoded(bundle.data.as_deref()))))
                        .collect(),
                })))
            }
            _ => {
                let spec: BundleSpec = inside("spec", raw.spec, lines)?;
                let status: Status = inside("status", raw.status, lines)?;
                Ok(TrustObject::Managed(Box::new(self.managed(kind, meta, spec, status)?)))
            }
        }
    }

    /// Bytes of the API, which JSON has in base64.
    fn encoded(&mut self, text: Option<&str>) -> Content {
        let bytes = crate::model::base64::decode(text.unwrap_or_default());
        bytes.map_or_else(Content::default, |bytes| self.scratch.content(&bytes))
    }

    fn managed(&mut self, kind: Str, meta: Meta, spec: BundleSpec, status: Status) -> Result<Managed, Wrong> {
        let mut sources = Vec::new();
        let mut public_roots = spec.default_cas.and_then(|cas| cas.provider).is_some_and(|by| by != "Disabled");
        for source in spec.sources.into_iter().flatten() {
            sources.push(match source {
                BundleSource { use_default_cas: Some(used), .. } => {
                    public_roots |= used;
                    continue;
                }
                BundleSource { in_line: Some(text), .. } => Source::Inline(self.scratch.content(text.as_bytes())),
                BundleSource { config_map: Some(object), .. } => object.source()?,
                BundleSource { secret: Some(_), .. } => Source::Secret,
                _ => Source::Unknown,
            });
        }
        for SourceRef { kind, object } in spec.source_refs.into_iter().flatten() {
            sources.push(match kind.as_deref() {
                Some("ConfigMap") => object.source()?,
                Some("Secret") => Source::Secret,
                _ => Source::Unknown,
            });
        }
        if let Some(text) = &spec.in_line_cas {
            sources.push(Source::Inline(self.scratch.content(text.as_bytes())));
        }
        let Target { config_map, additional_formats, namespace_selector } = spec.target.unwrap_or_default();
        let mut keys = Vec::new();
        if let Some(TargetMap { key, data }) = config_map {
            keys.extend(key.map(|key| (key, true)));
            keys.extend(data.into_iter().flatten().map(|target| {
                let is_pem = target.format.as_deref().is_none_or(|format| format == "PEM");
                (target.key, is_pem)
            }));
            let Formats { jks, pkcs12 } = additional_formats.unwrap_or_default();
            keys.extend([jks, pkcs12].into_iter().flatten().filter_map(|format| Some((format.key?, false))));
        }
        let failed = |c: &Condition| c.kind.as_deref() == Some("Synced") && c.status.as_deref() == Some("False");
        let not_synced = status.conditions.into_iter().flatten().find(failed);
        Ok(Managed {
            kind,
            meta,
            sources,
            public_roots,
            keys,
            targets: selector(namespace_selector.as_ref())?.unwrap_or_default(),
            not_synced: not_synced.map(|condition| condition.message.unwrap_or_default()),
        })
    }
}

impl SourceObject {
    fn source(self) -> Result<Source, Wrong> {
        let Self { name, selector: written, key } = self;
        Ok(Source::ConfigMap { name: name.filter(|name| !name.is_empty()), selector: selector(written.as_ref())?, key })
    }
}

fn selector(written: Option<&WrittenSelector>) -> Result<Option<Selector>, Wrong> {
    written.map(WrittenSelector::selector).transpose().map_err(|error| Wrong::new(error.to_string()))
}

/// A part of the object; what is not there is as if it were empty.
pub(super) fn inside<'t, T: Deserialize<'t> + Default>(
    path: &str,
    raw: Option<&'t serde_json::value::RawValue>,
    lines: &Lines<'_>,
) -> Result<T, Wrong> {
    let Some(raw) = raw else { return Ok(T::default()) };
    serde_json::from_str(raw.get()).map_err(|error| Wrong::inside(path, raw.get(), &error, lines.of(raw.get())))
}
