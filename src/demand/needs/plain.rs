//! What a subject needs that is no container: a node, or an interface of the cloud.

use std::collections::BTreeSet;

use super::{Gathering, Needs, Reader, View};
use crate::demand::Requirement;
use crate::demand::image::Image;
use crate::demand::shell;
use crate::model::object::{Container, PodSpec};

impl Reader<'_> {
    /// Everything of these ecosystems.
    pub(in crate::demand) fn whole(&self, ids: &[&'static str]) -> Vec<Requirement> {
        self.plain(|gathering| ids.iter().for_each(|id| gathering.ecosystem(id, true)))
    }

    /// What a container runtime contacts for images.
    pub(in crate::demand) fn pulls(&self, images: &BTreeSet<&str>) -> Vec<Requirement> {
        let registries: BTreeSet<&str> =
            images.iter().filter_map(|i| Image::parse(i)).map(|image| image.registry).collect();
        self.plain(|gathering| registries.iter().for_each(|host| gathering.registry(host, "docker", true, None)))
    }

    fn plain(&self, gather: impl FnOnce(&mut Gathering<'_, '_>)) -> Vec<Requirement> {
        // No pod's resolver, so no search list either.
        let spec = PodSpec { dns_policy: Some("Default".into()), ..PodSpec::default() };
        let container = Container::default();
        let scripts = shell::scripts(&spec);
        let view = View::new(&container, 0, &scripts);
        let (drafts, notes) = (Vec::new(), Vec::new());
        let mut gathering =
            Gathering { reader: self, namespace: "", spec: &spec, view: &view, drafts, notes, alternatives: 0 };
        gather(&mut gathering);
        let mut needs = Needs::default();
        gathering.finish(&mut needs);
        needs.requirements
    }
}
