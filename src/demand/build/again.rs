//! The builds of a snapshot that is mostly the one of before.

use super::former::{Finder, Former, NONE, Verdict};
use super::groups::{Group, in_namespaces};
use super::near::Nearest;
use super::{Builder, Finding, sort};
use crate::demand::environment::refers;
use crate::demand::{Demand, Subject, signal};
use crate::model::Few;
use crate::model::object::Pod;

/// Where a group comes from: running pods, by the number of what is known of it; or a template, by its index.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Pods(u32),
    Template(u32),
}

/// What was found, in the order in which it was.
#[derive(Debug, Default)]
struct Found {
    builds: Vec<Subject>,
    near: Vec<(f64, Origin)>,
}

impl Found {
    /// Adds what an earlier verdict says.
    fn add(&mut self, verdict: &Verdict, origin: Origin, pods: impl FnOnce() -> Few<u32>) {
        match verdict {
            Verdict::Open | Verdict::Nothing => {}
            Verdict::Near(score) => self.near.push((*score, origin)),
            Verdict::Build(known) => {
                let template = match origin {
                    Origin::Pods(_) => None,
                    Origin::Template(at) => Some(at),
                };
                self.builds.push(Subject { pods: pods(), template, ..(**known).clone() });
            }
        }
    }
}

impl Builder<'_> {
    /// What [`builds`](Self::builds) finds. Groups are not judged again whose pods, owners and templates are those of
    /// the demand before.
    pub(super) fn builds_again(mut self) -> Demand {
        let mut former = std::mem::take(&mut self.memory.former);
        let mut finder = Finder::new(self.snapshot);
        former.round += 1;
        former.renew_workloads(self.options, &mut finder);
        // Pods elsewhere stand for no template here. Those of a namespace mostly stand together.
        let mut before = (None, in_namespaces(self.options, None));
        let running = (0u32..).zip(&self.snapshot.pods).filter(|(_, pod)| {
            let namespace = pod.meta.namespace.as_ref();
            if namespace != before.0 {
                before = (namespace, in_namespaces(self.options, namespace));
            }
            before.1 && !pod.phase.is_terminal()
        });
        let (indexes, pods): (Vec<u32>, Vec<&Pod>) = running.unzip();
        let order = former.renew_pods(&pods, self.options, &mut finder);
        let members = gather(&mut former, &order, &indexes);
        let mut found = Found::default();
        for number in order {
            let group = &mut former.groups[number as usize];
            let verdict = std::mem::take(&mut group.verdict);
            let verdict = if group.is_same { verdict } else { Verdict::Open };
            let (first, slot) = (indexes[group.first as usize], group.slot as usize);
            let pods = || members.get(slot).map_or_else(|| vec![first], Clone::clone);
            let origin = Origin::Pods(number);
            former.groups[number as usize].verdict = if matches!(verdict, Verdict::Open) {
                self.verdict(self.group(&former, origin, &indexes, pods()), origin, &mut found)
            } else {
                found.add(&verdict, origin, || members.get(slot).map_or(Few::one(first), |pods| pods.clone().into()));
                verdict
            };
        }
        for (at, is_represented) in (0u32..).zip(former.represented()) {
            if is_represented || !former.workloads[at as usize].predicts() {
                continue;
            }
            let verdict = std::mem::take(&mut former.workloads[at as usize].verdict);
            let origin = Origin::Template(at);
            former.workloads[at as usize].verdict = if matches!(verdict, Verdict::Open) {
                self.verdict(self.group(&former, origin, &indexes, Vec::new()), origin, &mut found)
            } else {
                found.add(&verdict, origin, Few::default);
                verdict
            };
        }
        let Found { builds: mut subjects, near } = found;
        sort(&mut subjects);
        let mut nearest = Nearest::default();
        for (score, origin) in near.into_iter().filter(|_| subjects.is_empty()) {
            let name = || self.group(&former, origin, &indexes, Vec::new()).full_name();
            nearest.remember(score, name, || origin);
        }
        let nearest = nearest.candidates(|origin| {
            let own = |(place, _): &(usize, &u32)| former.group_of_pod(*place).is_some_and(|own| origin.is(own));
            let pods = indexes.iter().enumerate().filter(own).map(|(_, at)| *at).collect();
            signal::seen(&self.judge(&self.group(&former, origin, &indexes, pods)).1)
        });
        self.memory.former = former;
        Demand { subjects, nearest, ..Demand::default() }
    }

    /// Judges a group. What is given back holds as long as the group is the same.
    fn verdict(&mut self, group: Group, origin: Origin, found: &mut Found) -> Verdict {
        let (score, hits) = self.judge(&group);
        match self.finding(&group, score) {
            Finding::Nothing => Verdict::Nothing,
            Finding::Near => {
                found.near.push((score, origin));
                Verdict::Near(score)
            }
            Finding::Build => {
                let pods = group.pods.iter().map(|at| &self.snapshot.pods[*at as usize].spec);
                let template = group.template.map(|at| &self.snapshot.workloads[at as usize].spec);
                // ConfigMaps may say another thing next time.
                let holds = !pods.chain(template).any(|spec| refers(spec));
                let subject = self.subject(group, score, &hits);
                let known = || Subject { pods: Few::default(), template: None, ..subject.clone() };
                let verdict = if holds { Verdict::Build(Box::new(known())) } else { Verdict::Open };
                found.builds.push(subject);
                verdict
            }
        }
    }

    /// The group of these pods, or of a template.
    fn group(&self, former: &Former, origin: Origin, indexes: &[u32], pods: Vec<u32>) -> Group {
        match origin {
            Origin::Pods(number) => {
                let first = former.groups[number as usize].first as usize;
                let meta = &self.snapshot.pods[indexes[first] as usize].meta;
                let namespace = meta.namespace.clone().unwrap_or_default();
                match former.maker(first).map(|maker| &maker.top) {
                    Some(top) => {
                        let (kind, name, owners) = (top.kind.clone(), top.name.clone(), top.through.clone());
                        Group { namespace, kind, name, pods, template: None, owners }
                    }
                    None => Group::of_pod(namespace, self.pod_kind.clone(), meta.name.clone(), pods),
                }
            }
            Origin::Template(at) => Group::of_template(at, &self.snapshot.workloads[at as usize]),
        }
    }
}

impl Origin {
    fn is(self, group: u32) -> bool {
        matches!(self, Self::Pods(number) if number == group)
    }
}

/// The indexes of the pods of each group that has several and is a build, or is to be judged.
fn gather(former: &mut Former, order: &[u32], indexes: &[u32]) -> Vec<Vec<u32>> {
    let mut members: Vec<Vec<u32>> = Vec::new();
    for number in order {
        let group = &mut former.groups[*number as usize];
        let is_asked = !group.is_same || matches!(group.verdict, Verdict::Open | Verdict::Build(_));
        if group.count > 1 && is_asked {
            group.slot = u32::try_from(members.len()).unwrap_or(NONE);
            members.push(Vec::with_capacity(group.count as usize));
        }
    }
    if members.is_empty() {
        return members;
    }
    for (known, at) in former.pods.iter().zip(indexes) {
        let slot = former.groups.get(known.group as usize).map(|group| group.slot as usize);
        if let Some(members) = slot.and_then(|slot| members.get_mut(slot)) {
            members.push(*at);
        }
    }
    members
}

#[cfg(test)]
mod tests;
