//! What a demand knew of pods, templates and those who made them, for the next one.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::groups::{is_chosen, is_over, is_static, is_template_chosen};
use crate::demand::owners::{Owners, Top, is_hashed};
use crate::demand::{DemandOptions, Subject};
use crate::model::object::{Owner, Pod, PodSpec, Workload};
use crate::model::{Labels, Snapshot, Str, in_place};

/// No index.
pub(super) const NONE: u32 = u32::MAX;

/// How many objects that are gone in a row are passed over without a look at all of them.
const AHEAD: usize = 8;

/// What a demand knew.
///
/// Shared texts are held, so that comparing them with those of the next snapshot is mostly comparing addresses. What
/// has no pod any more stays until everything is found anew.
#[derive(Debug, Default)]
pub(in crate::demand) struct Former {
    /// Those that run, in the order of the snapshot.
    pub(super) pods: Vec<KnownPod>,
    /// In the order of the snapshot.
    pub(super) workloads: Vec<KnownWorkload>,
    pub(super) makers: Vec<Maker>,
    maker_of: FxHashMap<(Str, Owner, bool), u32>,
    pub(super) groups: Vec<KnownGroup>,
    group_of: FxHashMap<(Str, Str, Str), u32>,
    /// Number of the demand, from 1.
    pub(super) round: u32,
}

/// All of a pod that a demand rests on.
#[derive(Debug, Default)]
pub(super) struct KnownPod {
    namespace: Option<Str>,
    name: Str,
    labels: Labels,
    owner: Option<Owner>,
    spec: Arc<PodSpec>,
    source: u32,
    /// Who made it.
    pub(super) maker: u32,
    /// What it is a part of; none if it is left out.
    pub(super) group: u32,
}

/// All of a template that a demand rests on.
#[derive(Debug, Default)]
pub(super) struct KnownWorkload {
    kind: Str,
    namespace: Option<Str>,
    name: Str,
    labels: Labels,
    source: u32,
    owner: Option<Owner>,
    template_labels: Labels,
    spec: Arc<PodSpec>,
    /// It will start no pod.
    is_over: bool,
    /// Nobody asks for it.
    left_out: bool,
    /// Another one makes what it stands for.
    has_parent: bool,
    pub(super) verdict: Verdict,
}

/// The owner of pods, with the last owner that can be found from there.
#[derive(Debug)]
pub(super) struct Maker {
    namespace: Str,
    owner: Owner,
    hashed: bool,
    pub(super) top: Top,
    group: u32,
    /// When it led elsewhere than before.
    changed: u32,
    /// When a pod had it.
    pub(super) seen: u32,
}

/// A controller with its running pods, or a pod by itself.
#[derive(Debug, Default)]
pub(super) struct KnownGroup {
    /// Whether its pods are those of the demand before.
    pub(super) is_same: bool,
    /// When it had a pod; the rest is of that time.
    seen: u32,
    /// How many pods it has, and had before.
    pub(super) count: u32,
    before: u32,
    /// Place of its first pod among those that run.
    pub(super) first: u32,
    /// Former place of its last pod.
    last: u32,
    /// Where its pods are gathered.
    pub(super) slot: u32,
    pub(super) verdict: Verdict,
}

/// What was found out about a group or a template.
#[derive(Debug, Default)]
pub(super) enum Verdict {
    /// Nothing that still holds.
    #[default]
    Open,
    /// It is no build.
    Nothing,
    /// It is no build, with this score.
    Near(f64),
    /// It is one; its pods are left out.
    Build(Box<Subject>),
}

impl Verdict {
    fn forget_build(&mut self) {
        if matches!(self, Self::Build(_)) {
            *self = Self::Open;
        }
    }
}

impl KnownPod {
    fn new(pod: &Pod) -> Self {
        Self {
            namespace: pod.meta.namespace.clone(),
            name: pod.meta.name.clone(),
            labels: pod.meta.labels.clone(),
            owner: pod.owner.clone(),
            spec: Arc::clone(&pod.spec),
            source: pod.meta.origin.source,
            maker: NONE,
            group: NONE,
        }
    }

    fn is(&self, pod: &Pod) -> bool {
        Arc::ptr_eq(&self.spec, &pod.spec)
            && self.name == pod.meta.name
            && self.namespace == pod.meta.namespace
            && are_alike(&self.labels, &pod.meta.labels)
            && self.owner == pod.owner
            && self.source == pod.meta.origin.source
    }
}

impl KnownWorkload {
    fn new(workload: &Workload, options: &DemandOptions) -> Self {
        Self {
            kind: workload.kind.clone(),
            namespace: workload.meta.namespace.clone(),
            name: workload.meta.name.clone(),
            labels: workload.meta.labels.clone(),
            source: workload.meta.origin.source,
            owner: workload.owner.clone(),
            template_labels: workload.template_labels.clone(),
            spec: Arc::clone(&workload.spec),
            is_over: is_over(workload),
            left_out: !is_template_chosen(workload, options),
            has_parent: false,
            verdict: Verdict::Open,
        }
    }

    fn is(&self, workload: &Workload) -> bool {
        Arc::ptr_eq(&self.spec, &workload.spec)
            && self.name == workload.meta.name
            && self.kind == workload.kind
            && self.namespace == workload.meta.namespace
            && are_alike(&self.labels, &workload.meta.labels)
            && are_alike(&self.template_labels, &workload.template_labels)
            && self.owner == workload.owner
            && self.source == workload.meta.origin.source
            && self.is_over == is_over(workload)
    }

    /// Whether it predicts a subject if no pod stands for it.
    pub(super) fn predicts(&self) -> bool {
        !self.is_over && !self.left_out && !self.has_parent
    }
}

/// Compares addresses first.
fn are_alike(a: &Labels, b: &Labels) -> bool {
    let are_same = a.keys().is_same(b.keys()) && std::ptr::eq(a.values(), b.values());
    are_same || a == b
}

/// The owners of a snapshot, found when they are first asked for.
pub(super) struct Finder<'a> {
    snapshot: &'a Snapshot,
    owners: Option<Owners<'a>>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, owners: None }
    }

    fn owners(&mut self) -> &Owners<'a> {
        self.owners.get_or_insert_with(|| Owners::new(self.snapshot))
    }
}

impl Former {
    /// Whether nothing is known.
    pub(in crate::demand) fn is_empty(&self) -> bool {
        self.pods.is_empty() && self.workloads.is_empty()
    }

    /// How much is held that may have no pod any more.
    pub(in crate::demand) fn len(&self) -> usize {
        self.makers.len() + self.groups.len()
    }

    /// Forgets what builds need, which rests on more than themselves.
    pub(in crate::demand) fn forget_builds(&mut self) {
        self.groups.iter_mut().for_each(|group| group.verdict.forget_build());
        self.workloads.iter_mut().for_each(|workload| workload.verdict.forget_build());
    }

    /// Takes the templates of a snapshot in, and finds again who is whose where they are others than before.
    pub(super) fn renew_workloads(&mut self, options: &DemandOptions, finder: &mut Finder<'_>) {
        let now = &finder.snapshot.workloads;
        if self.workloads.len() == now.len() && self.workloads.iter().zip(now).all(|(known, now)| known.is(now)) {
            return;
        }
        let now: Vec<&Workload> = now.iter().collect();
        let of = matched(
            &self.workloads,
            &now,
            KnownWorkload::is,
            |known| (known.kind.as_str(), known.name.as_str()),
            |now| (now.kind.as_str(), now.meta.name.as_str()),
        );
        let mut stays = vec![NONE; self.workloads.len()];
        for (at, former) in (0u32..).zip(&of).filter(|(_, former)| **former != NONE) {
            stays[*former as usize] = at;
        }
        self.workloads = taken(std::mem::take(&mut self.workloads), &of, &now, |now| KnownWorkload::new(now, options));
        let owners = finder.owners();
        for (known, now) in self.workloads.iter_mut().zip(now) {
            let parent = now.owner.as_ref().and_then(|owner| owners.index(now.meta.namespace.as_ref(), owner));
            known.has_parent = parent.is_some();
        }
        for maker in &mut self.makers {
            let top = owners.follow(&maker.namespace, &maker.owner, maker.hashed);
            let through = maker.top.through.iter().map(|former| stays[*former as usize]);
            if top.kind != maker.top.kind || top.name != maker.top.name || !through.eq(top.through.iter().copied()) {
                (maker.group, maker.changed) = (NONE, self.round);
            }
            maker.top = top;
        }
    }

    /// Takes the running pods of a snapshot in. Tells which groups have pods, in the order of their first ones.
    pub(super) fn renew_pods(&mut self, now: &[&Pod], options: &DemandOptions, finder: &mut Finder<'_>) -> Vec<u32> {
        let of = matched(
            &self.pods,
            now,
            KnownPod::is,
            |known| (known.namespace.as_deref().unwrap_or(""), known.name.as_str()),
            |now| (now.meta.namespace.as_deref().unwrap_or(""), now.meta.name.as_str()),
        );
        let mut pods = taken(std::mem::take(&mut self.pods), &of, now, KnownPod::new);
        let mut order = Vec::new();
        for (place, (pod, (known, former))) in (0u32..).zip(now.iter().zip(pods.iter_mut().zip(&of))) {
            let leads_elsewhere =
                || self.makers.get(known.maker as usize).is_some_and(|maker| maker.changed == self.round);
            let is_same = *former != NONE && !leads_elsewhere();
            if !is_same {
                self.join(known, pod, options, finder);
            }
            if let Some(maker) = self.makers.get_mut(known.maker as usize) {
                maker.seen = self.round;
            }
            let Some(group) = self.groups.get_mut(known.group as usize) else { continue };
            if group.seen != self.round {
                group.before = if group.seen + 1 == self.round { group.count } else { 0 };
                (group.seen, group.count, group.first, group.is_same, group.slot) = (self.round, 0, place, true, NONE);
                order.push(known.group);
            }
            // The same pods in the same order.
            group.is_same &= is_same && (group.count == 0 || *former > group.last);
            group.last = *former;
            group.count += 1;
        }
        self.pods = pods;
        for number in &order {
            let group = &mut self.groups[*number as usize];
            group.is_same &= group.count == group.before;
        }
        order
    }

    /// Finds out who made a pod, and what it is a part of.
    fn join(&mut self, known: &mut KnownPod, pod: &Pod, options: &DemandOptions, finder: &mut Finder<'_>) {
        let namespace = pod.meta.namespace.clone().unwrap_or_default();
        (known.maker, known.group) = (NONE, NONE);
        if let Some(owner) = &pod.owner {
            let key = (namespace.clone(), owner.clone(), is_hashed(owner, &pod.meta.labels));
            known.maker = *self.maker_of.entry(key).or_insert_with_key(|(namespace, owner, hashed)| {
                let (namespace, owner, hashed) = (namespace.clone(), owner.clone(), *hashed);
                let top = finder.owners().follow(&namespace, &owner, hashed);
                self.makers.push(Maker { namespace, owner, hashed, top, group: NONE, changed: 0, seen: 0 });
                number_of_last(&self.makers)
            });
        }
        if !is_chosen(pod, options) {
            return;
        }
        let maker = self.makers.get_mut(known.maker as usize).filter(|_| !is_static(pod));
        let Some(maker) = maker else {
            self.groups.push(KnownGroup::default());
            known.group = number_of_last(&self.groups);
            return;
        };
        if maker.group == NONE {
            let key = (namespace, maker.top.kind.clone(), maker.top.name.clone());
            maker.group = *self.group_of.entry(key).or_insert_with(|| {
                self.groups.push(KnownGroup::default());
                number_of_last(&self.groups)
            });
        }
        known.group = maker.group;
    }

    /// Who made the pod at a place among those that run, where that makes them a group.
    pub(super) fn maker(&self, place: usize) -> Option<&Maker> {
        let known = self.pods.get(place)?;
        self.makers.get(known.maker as usize).filter(|maker| maker.group == known.group)
    }

    /// The number of the group of the pod at a place among those that run.
    pub(super) fn group_of_pod(&self, place: usize) -> Option<u32> {
        self.pods.get(place).map(|known| known.group)
    }

    /// Which templates running pods stand for.
    pub(super) fn represented(&self) -> Vec<bool> {
        let mut represented = vec![false; self.workloads.len()];
        let seen = self.makers.iter().filter(|maker| maker.seen == self.round);
        for at in seen.flat_map(|maker| &maker.top.through) {
            represented[*at as usize] = true;
        }
        represented
    }
}

fn number_of_last<T>(list: &[T]) -> u32 {
    number(list.len() - 1)
}

/// For each object the place of the former one that is the same. Both are mostly in the same order.
fn matched<'o, K, T>(
    former: &'o [K],
    now: &[&'o T],
    is: impl Fn(&K, &T) -> bool,
    former_name: impl Fn(&'o K) -> (&'o str, &'o str),
    name: impl Fn(&'o T) -> (&'o str, &'o str),
) -> Vec<u32> {
    let mut of = vec![NONE; now.len()];
    let (mut next, mut passed, mut open) = (0, Vec::new(), Vec::new());
    for (at, object) in now.iter().enumerate() {
        let ahead = next..former.len().min(next + AHEAD);
        if let Some(found) = ahead.into_iter().find(|place| is(&former[*place], object)) {
            of[at] = number(found);
            passed.extend(next..found);
            next = found + 1;
        } else {
            open.push(at);
        }
    }
    passed.extend(next..former.len());
    if open.is_empty() || passed.is_empty() {
        return of;
    }
    let mut by_name: FxHashMap<_, usize> = passed.into_iter().map(|at| (former_name(&former[at]), at)).collect();
    for at in open {
        let found = by_name.get(&name(now[at])).copied().filter(|place| is(&former[*place], now[at]));
        if let Some(place) = found {
            by_name.remove(&name(now[at]));
            of[at] = number(place);
        }
    }
    of
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(NONE)
}

/// The former ones that are the same, and new ones for the others.
fn taken<K: Default, T>(mut former: Vec<K>, of: &[u32], now: &[&T], new: impl Fn(&T) -> K) -> Vec<K> {
    let stay = || of.iter().filter(|place| **place != NONE).map(|place| *place as usize);
    if stay().is_sorted() {
        let mut staying = stay().peekable();
        let gone: Vec<usize> = (0..former.len()).filter(|at| staying.next_if_eq(at).is_none()).collect();
        let news = (0..).zip(of).zip(now).filter(|((_, place), _)| **place == NONE);
        let news = news.map(|((at, _), now)| (at, new(now))).collect();
        in_place::remove(&mut former, gone);
        in_place::insert(&mut former, news);
        return former;
    }
    let mut former: Vec<Option<K>> = former.into_iter().map(Some).collect();
    let take =
        |(place, now): (&u32, &&T)| former.get_mut(*place as usize).and_then(Option::take).unwrap_or_else(|| new(now));
    of.iter().zip(now).map(take).collect()
}
