//! What a container mounts where trust is decided: from the API's shape to facts.

use serde_json::value::RawValue;

use super::decode::{Decoder, Wrong};
use super::lines::Lines;
use super::raw::{self, Text};
use crate::model::List;
use crate::model::mount::{BundleMount, KeyPath, MountSource, ObjectMount, TrustMount};
use crate::model::object::{Container, EnvValue, WrittenSelector, is_tool_configuration};
use crate::trust::places::{self, is_about_trust, is_service_account, is_trust_place, is_trust_variable, overlap};

/// What the container itself says about where its certificates are.
#[derive(Default)]
struct Named<'c> {
    /// Paths in variables and words.
    paths: Vec<&'c str>,
    /// A variable names a place that is not known: it may be any.
    anywhere: bool,
}

impl<'c> Named<'c> {
    fn of(container: &'c Container) -> Self {
        let mut named = Self::default();
        for variable in container.env.iter().filter(|variable| is_trust_variable(&variable.name)) {
            match &variable.value {
                EnvValue::Text(value) if !value.contains("$(") => named.paths.extend(places::paths(value)),
                EnvValue::Text(_) | EnvValue::From(_) | EnvValue::ConfigMapKey(_) => named.anywhere = true,
                EnvValue::NotKept | EnvValue::Unknown(_) => {}
            }
        }
        // What a ConfigMap sets is looked up when all objects are read.
        named.anywhere |= container.env_from.iter().any(|from| from.kind == "ConfigMap");
        let mut follows = false;
        for word in container.command.iter().chain(&container.args) {
            let is_about = is_about_trust(word);
            if is_about || follows {
                named.paths.extend(places::paths(word));
            }
            follows = is_about;
        }
        named
    }

    fn names(&self, path: &str) -> bool {
        self.paths.iter().any(|named| overlap(named, path))
    }
}

impl Decoder {
    /// The mounts of a container that may decide what its clients trust.
    pub(super) fn trust_mounts(
        &mut self,
        raw: &raw::Container<'_>,
        container: &Container,
        volumes: &[raw::Volume<'_>],
        lines: &Lines<'_>,
    ) -> Result<List<TrustMount>, Wrong> {
        let mut kept = Vec::new();
        let mut named: Option<Named<'_>> = None;
        for mount in raw.volume_mounts.iter().flatten() {
            let path = mount.mount_path.as_deref().unwrap_or_default();
            let counts = is_trust_place(path) || is_tool_configuration(path) || {
                let named = named.get_or_insert_with(|| Named::of(container));
                named.names(path) || (named.anywhere && !is_service_account(path))
            };
            if counts {
                let volume = volumes.iter().find(|volume| volume.name == mount.name);
                kept.push(TrustMount {
                    path: self.scratch.str(places::trimmed(path)),
                    sub_path: self.scratch.opt(mount.sub_path.as_ref()),
                    source: match (&mount.sub_path_expr, volume) {
                        (Some(expression), _) if !expression.is_empty() => {
                            MountSource::Other(self.scratch.str("a path in a volume that variables choose"))
                        }
                        (_, Some(volume)) => self.mount_source(volume, lines)?,
                        // The API rejects it; a patch that was not read may bring it.
                        (_, None) => MountSource::Other(self.scratch.str("a volume that the pod does not list")),
                    },
                });
            }
        }
        Ok(kept.into())
    }

    fn mount_source(&mut self, volume: &raw::Volume<'_>, lines: &Lines<'_>) -> Result<MountSource, Wrong> {
        if let Some(mount) = &volume.config_map {
            return Ok(MountSource::ConfigMap(self.object_mount(mount)));
        }
        if let Some(raw) = volume.secret {
            let mount = part("spec.volumes.secret", raw, lines)?;
            return Ok(MountSource::Secret(self.object_mount(&mount)));
        }
        if let Some(raw) = volume.projected {
            let projected: raw::Projected<'_> = part("spec.volumes.projected", raw, lines)?;
            let sources = projected.sources.unwrap_or_default();
            return Ok(MountSource::Projected(sources.iter().map(|source| self.projection(source)).collect()));
        }
        if let Some(host_path) = &volume.host_path {
            return Ok(MountSource::HostPath(self.scratch.str(host_path.path.as_deref().unwrap_or_default())));
        }
        let other = if volume.csi.is_some() {
            "a CSI volume"
        } else if volume.image.is_some() {
            "an image volume"
        } else if volume.ephemeral.is_some() || volume.persistent_volume_claim.is_some() {
            "a PersistentVolumeClaim"
        } else if volume.empty_dir.is_some() {
            return Ok(MountSource::EmptyDir);
        } else {
            // A volume that names no source is an emptyDir (`VolumeSource`), but a kind that is not known looks alike.
            "a volume of a kind that is not known"
        };
        Ok(MountSource::Other(self.scratch.str(other)))
    }

    fn projection(&mut self, raw: &raw::Projection<'_>) -> MountSource {
        if let Some(mount) = &raw.config_map {
            return MountSource::ConfigMap(self.object_mount(mount));
        }
        if let Some(mount) = &raw.secret {
            return MountSource::Secret(self.object_mount(mount));
        }
        if let Some(bundle) = &raw.cluster_trust_bundle {
            return match bundle.label_selector.as_ref().map(WrittenSelector::selector).transpose() {
                Ok(selector) => MountSource::ClusterTrustBundle(BundleMount {
                    name: self.scratch.opt(bundle.name.as_ref()),
                    signer: self.scratch.opt(bundle.signer_name.as_ref()),
                    selector,
                    path: self.scratch.str(bundle.path.as_deref().unwrap_or_default()),
                    optional: bundle.optional.unwrap_or(false),
                }),
                Err(error) => MountSource::Other(
                    self.scratch.str(&format!("ClusterTrustBundles by a selector that is not valid: {error}")),
                ),
            };
        }
        let other = if raw.service_account_token.is_some() {
            "a token of the service account"
        } else if raw.downward_api.is_some() {
            "fields of the pod"
        } else if raw.pod_certificate.is_some() {
            "a certificate of the pod"
        } else {
            "a projection of a kind that is not known"
        };
        MountSource::Other(self.scratch.str(other))
    }

    fn object_mount(&mut self, raw: &raw::ObjectVolume<'_>) -> ObjectMount {
        let name = raw.name.as_deref().or(raw.secret_name.as_deref()).unwrap_or_default();
        let items = raw.items.iter().flatten();
        ObjectMount {
            name: self.scratch.str(name),
            items: items
                .map(|item| {
                    let mut text = |text: &Option<Text<'_>>| self.scratch.str(text.as_deref().unwrap_or_default());
                    KeyPath { key: text(&item.key), path: text(&item.path) }
                })
                .collect(),
            optional: raw.optional.unwrap_or(false),
        }
    }
}

/// A part of the object that was not read with the rest.
fn part<'t, T: serde::Deserialize<'t>>(path: &str, raw: &'t RawValue, lines: &Lines<'_>) -> Result<T, Wrong> {
    serde_json::from_str(raw.get()).map_err(|error| Wrong::inside(path, raw.get(), &error, lines.of(raw.get())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::files;

    fn mounts(spec: &str) -> Vec<TrustMount> {
        let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n{spec}");
        let snapshot = files::from_texts(&[("pod.yaml", &text)], &files::Options::default());
        assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
        snapshot.pods[0].spec.containers[0].trust_mounts.to_vec()
    }

    fn paths(spec: &str) -> Vec<String> {
        mounts(spec).iter().map(|mount| mount.path.to_string()).collect()
    }

    const SERVICE_ACCOUNT: &str =
        "    - {name: kube-api-access-x, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}\n";

    #[test]
    fn what_decides_nothing_is_not_kept() {
        let spec = format!(
            "  volumes: [{{name: w, emptyDir: {{}}}}]\n  containers:\n  - name: c\n    command: [sh, -c, go build ./...]\n    volumeMounts:\n    - {{name: w, mountPath: /workspace}}\n{SERVICE_ACCOUNT}"
        );
        assert!(mounts(&spec).is_empty());
    }

    #[test]
    fn a_known_place_a_variable_and_a_flag_tell_what_counts() {
        let volumes = "  volumes:\n  - {name: ca, configMap: {name: corp-ca, optional: true, items: [{key: ca.crt, path: corp.crt}]}}\n  - {name: s, secret: {secretName: tls}}\n  - {name: w, emptyDir: {}}\n";
        let spec = format!(
            "{volumes}  containers:\n  - name: c\n    args: [--registry-certificate, r.example=/certs/ca.crt]\n    env: [{{name: SSL_CERT_DIR, value: '/etc/ssl/certs:/extra/dir'}}]\n    volumeMounts:\n    - {{name: ca, mountPath: /etc/ssl/certs/corp.crt, subPath: corp.crt}}\n    - {{name: s, mountPath: /certs/}}\n    - {{name: w, mountPath: /extra}}\n    - {{name: w, mountPath: /work}}\n    - {{name: w, mountPath: /root/.config, subPathExpr: $(POD)}}\n    - {{name: gone, mountPath: /etc/pki}}\n"
        );
        let kept = mounts(&spec);
        let ca = ObjectMount {
            name: "corp-ca".into(),
            items: vec![KeyPath { key: "ca.crt".into(), path: "corp.crt".into() }].into(),
            optional: true,
        };
        assert_eq!(kept[0].source, MountSource::ConfigMap(ca));
        assert_eq!((kept[0].path.as_str(), kept[0].sub_path.as_deref()), ("/etc/ssl/certs/corp.crt", Some("corp.crt")));
        let secret = ObjectMount { name: "tls".into(), ..ObjectMount::default() };
        assert_eq!((kept[1].path.as_str(), &kept[1].source), ("/certs", &MountSource::Secret(secret)));
        assert_eq!((kept[2].path.as_str(), &kept[2].source), ("/extra", &MountSource::EmptyDir));
        let unknown: Vec<_> = kept[3..]
            .iter()
            .map(|mount| (mount.path.as_str(), matches!(mount.source, MountSource::Other(_))))
            .collect();
        assert_eq!(unknown, [("/root/.config", true), ("/etc/pki", true)]);
    }

    #[test]
    fn a_variable_whose_value_is_not_known_may_name_any_place() {
        let spec = |env: &str| {
            format!(
                "  volumes: [{{name: ca, configMap: {{name: ca}}}}]\n  containers:\n  - name: c\n    env: [{env}]\n    volumeMounts:\n    - {{name: ca, mountPath: /trust}}\n{SERVICE_ACCOUNT}"
            )
        };
        assert_eq!(paths(&spec("{name: SSL_CERT_FILE, valueFrom: {configMapKeyRef: {name: x, key: y}}}")), ["/trust"]);
        assert_eq!(paths(&spec("{name: D, value: /trust}, {name: SSL_CERT_FILE, value: $(D)/ca.crt}")), ["/trust"]);
        assert!(paths(&spec("{name: GOPROXY, value: $(D)}")).is_empty());
        let of_account = "{name: NODE_EXTRA_CA_CERTS, value: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt}";
        assert_eq!(paths(&spec(of_account)), ["/var/run/secrets/kubernetes.io/serviceaccount"]);
    }

    #[test]
    fn projected_volumes_keep_their_parts() {
        let spec = "  volumes:\n  - name: t\n    projected:\n      sources:\n      - clusterTrustBundle: {name: corp, path: a.pem, optional: true}\n      - clusterTrustBundle: {signerName: x.example/y, labelSelector: {}, path: b.pem}\n      - configMap: {name: ca}\n      - serviceAccountToken: {path: token}\n  containers:\n  - name: c\n    volumeMounts: [{name: t, mountPath: /etc/ssl/certs}]\n";
        let kept = mounts(spec);
        let named =
            BundleMount { name: Some("corp".into()), path: "a.pem".into(), optional: true, ..BundleMount::default() };
        let of_signer = BundleMount {
            signer: Some("x.example/y".into()),
            selector: Some(crate::model::Selector::default()),
            path: "b.pem".into(),
            ..BundleMount::default()
        };
        let parts = kept[0].source.parts();
        assert_eq!(parts[0], MountSource::ClusterTrustBundle(named));
        assert_eq!(parts[1], MountSource::ClusterTrustBundle(of_signer));
        assert_eq!(kept[0].source.config_maps().collect::<Vec<_>>(), ["ca"]);
        assert!(matches!(parts[3], MountSource::Other(_)));
    }

    #[test]
    fn mounts_are_saved_and_read_back() {
        let spec = "  volumes:\n  - {name: h, hostPath: {path: /etc/ssl/certs}}\n  - {name: c, csi: {driver: d}}\n  containers:\n  - name: c\n    volumeMounts: [{name: h, mountPath: /etc/ssl/certs, readOnly: true}, {name: c, mountPath: /etc/pki}]\n";
        let kept: List<TrustMount> = mounts(spec).into();
        let written = serde_json::to_string(&kept).unwrap_or_default();
        assert_eq!(serde_json::from_str::<List<TrustMount>>(&written).ok(), Some(kept));
    }
}
