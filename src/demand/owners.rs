//! Whose a pod is: owner references, followed as far as the snapshot has the owners.

use rustc_hash::FxHashMap;

use crate::model::object::{Owner, Pod, Workload};
use crate::model::{Labels, Snapshot, Str};

/// Controllers are followed at most so far, should owners form a circle.
const MAX_OWNERS: usize = 8;

const REPLICA_SET: &str = "ReplicaSet";

/// The label that ties a pod to the `ReplicaSet` of a Deployment; its value ends that `ReplicaSet`'s name.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// Minutes since 1970 when Kubernetes got `CronJobs` (1.4, September 2016): a smaller number at the end of a Job's name,
/// such as a date, is no scheduled time.
const FIRST_CRON_JOB: u32 = 24_500_000;

/// Follows owner references as far as the snapshot has the owners.
///
/// A `ReplicaSet` or Job that was not read is passed over where its name tells who made it: the Deployment controller
/// names `ReplicaSets` `<deployment>-<pod-template-hash>`, the `CronJob` controller Jobs `<cronjob>-<minutes since 1970>`.
#[derive(Debug)]
pub struct Owners<'a> {
    workloads: FxHashMap<(&'a str, &'a str, &'a str), u32>,
    snapshot: &'a Snapshot,
    /// By number.
    tops: Vec<Top>,
    by_text: FxHashMap<(&'a str, &'a Owner, bool), usize>,
    /// Those that no label of a pod decides, by the addresses of the texts, which pods of one owner mostly share.
    by_address: FxHashMap<[*const u8; 3], usize>,
}

/// The last owner that can be found.
#[derive(Clone, Debug)]
pub struct Top {
    /// Its kind.
    pub kind: Str,
    /// Its name.
    pub name: Str,
    /// Workloads on the way, by their index in the snapshot, the last included.
    pub through: Vec<u32>,
}

impl<'a> Owners<'a> {
    /// Over the workloads of a snapshot; of two with one name the last counts.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let key = |w: &'a Workload| (w.meta.namespace.as_deref().unwrap_or(""), &*w.kind, &*w.meta.name);
        let workloads = (0u32..).zip(&snapshot.workloads).map(|(at, workload)| (key(workload), at)).collect();
        Self { workloads, snapshot, tops: Vec::new(), by_text: FxHashMap::default(), by_address: FxHashMap::default() }
    }

    /// The index of an owner, if it was read.
    pub fn index(&self, namespace: Option<&Str>, owner: &Owner) -> Option<u32> {
        self.find(namespace.map_or("", Str::as_str), &owner.kind, &owner.name)
    }

    /// The last owner of a pod that can be found; `None` for a pod that nothing owns.
    pub fn top(&mut self, pod: &'a Pod) -> Option<&Top> {
        self.number(pod).map(|number| self.numbered(number))
    }

    /// The owner of a number.
    pub(super) fn numbered(&self, number: usize) -> &Top {
        &self.tops[number]
    }

    /// The number of the last owner of a pod, from 0 in the order in which they were asked for.
    pub(super) fn number(&mut self, pod: &'a Pod) -> Option<usize> {
        let owner = pod.owner.as_ref()?;
        let namespace = pod.meta.namespace.as_deref().unwrap_or("");
        let address = [namespace.as_ptr(), owner.kind.as_ptr(), owner.name.as_ptr()];
        if let Some(number) = self.by_address.get(&address) {
            return Some(*number);
        }
        // Only the name of an owner that was not read tells who made it.
        let is_read = self.workloads.is_empty() || self.find(namespace, &owner.kind, &owner.name).is_some();
        let hashed = !is_read && is_hashed(owner, &pod.meta.labels);
        let known = self.by_text.get(&(namespace, owner, hashed)).copied();
        let number = known.unwrap_or_else(|| {
            self.tops.push(self.follow(namespace, owner, hashed));
            self.by_text.insert((namespace, owner, hashed), self.tops.len() - 1);
            self.tops.len() - 1
        });
        // The labels of another pod may say another thing of such a one.
        if is_read || owner.kind != REPLICA_SET {
            self.by_address.insert(address, number);
        }
        Some(number)
    }

    /// The last owner, where that one is the first.
    pub(super) fn follow(&self, namespace: &str, owner: &Owner, hashed: bool) -> Top {
        let mut top = Top { kind: owner.kind.clone(), name: owner.name.clone(), through: Vec::new() };
        let mut next =
            self.find(namespace, &owner.kind, &owner.name).or_else(|| self.implied(namespace, owner, hashed));
        while let Some(at) = next.take().filter(|_| top.through.len() < MAX_OWNERS) {
            let workload = &self.snapshot.workloads[at as usize];
            (top.kind, top.name) = (workload.kind.clone(), workload.meta.name.clone());
            top.through.push(at);
            if let Some(owner) = &workload.owner {
                (top.kind, top.name) = (owner.kind.clone(), owner.name.clone());
                next = self.find(namespace, &owner.kind, &owner.name);
            }
        }
        top
    }

    fn find(&self, namespace: &str, kind: &str, name: &str) -> Option<u32> {
        self.workloads.get(&(namespace, kind, name)).copied()
    }

    /// Who made an owner that was not read, by its name.
    fn implied(&self, namespace: &str, owner: &Owner, hashed: bool) -> Option<u32> {
        let (maker, number) = owner.name.rsplit_once('-')?;
        match &*owner.kind {
            REPLICA_SET if hashed => self.find(namespace, "Deployment", maker),
            "Job" if is_scheduled(number) => self.find(namespace, "CronJob", maker),
            _ => None,
        }
    }
}

/// Whether a pod's owner is a `ReplicaSet` that bears the hash of the pod's template.
pub(super) fn is_hashed(owner: &Owner, labels: &Labels) -> bool {
    owner.kind == REPLICA_SET
        && owner.name.rsplit_once('-').is_some_and(|(_, end)| labels.get(TEMPLATE_HASH).is_some_and(|hash| hash == end))
}

/// Whether a Job's name ends in the minute for which a `CronJob` made it.
fn is_scheduled(number: &str) -> bool {
    number.len() == 8
        && number.bytes().all(|b| b.is_ascii_digit())
        && number.parse().is_ok_and(|n: u32| n >= FIRST_CRON_JOB)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{labels, owned, pod, snapshot, spec, workload};
    use super::*;

    fn top(pod: Pod, workloads: Vec<Workload>) -> (String, usize) {
        let snapshot = snapshot(vec![pod], workloads);
        let mut owners = Owners::new(&snapshot);
        let top = owners.top(&snapshot.pods[0]);
        top.map_or_else(|| ("nobody".to_owned(), 0), |top| (format!("{}/{}", top.kind, top.name), top.through.len()))
    }

    fn of(kind: &str, name: &str) -> Pod {
        owned(pod("p", &[(TEMPLATE_HASH, "6d4cf56db6")], spec(Vec::new())), kind, name)
    }

    fn made(kind: &str, name: &str) -> Workload {
        workload(kind, name, &[], spec(Vec::new()))
    }

    #[test]
    fn a_replica_set_that_was_not_read_is_its_deployments() {
        let web = || vec![made("Deployment", "web")];
        assert_eq!(top(of("ReplicaSet", "web-6d4cf56db6"), web()), ("Deployment/web".to_owned(), 1));
        // Neither was read.
        assert_eq!(top(of("ReplicaSet", "web-6d4cf56db6"), Vec::new()), ("ReplicaSet/web-6d4cf56db6".to_owned(), 0));
        // Another hash, another namespace, another controller than a Deployment.
        assert_eq!(top(of("ReplicaSet", "web-1"), web()).0, "ReplicaSet/web-1");
        let away = vec![made("Deployment", "cd/web")];
        assert_eq!(top(of("ReplicaSet", "web-6d4cf56db6"), away).0, "ReplicaSet/web-6d4cf56db6");
        let mut rollout = of("ReplicaSet", "web-6d4cf56db6");
        rollout.meta.labels = labels(&[("rollouts-pod-template-hash", "6d4cf56db6")]);
        assert_eq!(top(rollout, web()).0, "ReplicaSet/web-6d4cf56db6");
        // One that was read says itself whose it is.
        let both = vec![made("Deployment", "web"), made("ReplicaSet", "web-6d4cf56db6")];
        assert_eq!(top(of("ReplicaSet", "web-6d4cf56db6"), both), ("ReplicaSet/web-6d4cf56db6".to_owned(), 1));
    }

    #[test]
    fn a_job_that_was_not_read_is_its_cron_jobs() {
        let nightly = || vec![made("CronJob", "nightly"), made("CronJob", "nightly-28391234")];
        assert_eq!(top(of("Job", "nightly-28391234"), nightly()), ("CronJob/nightly".to_owned(), 1));
        // A date, a counter, a Job by hand.
        for job in ["nightly-20240101", "nightly-2", "nightly-283912345", "nightly-by-hand", "nightly", "28391234"] {
            assert_eq!(top(of("Job", job), nightly()), (format!("Job/{job}"), 0));
        }
        let mut both = nightly();
        both.push(made("Job", "nightly-28391234"));
        assert_eq!(top(of("Job", "nightly-28391234"), both), ("Job/nightly-28391234".to_owned(), 1));
    }

    #[test]
    fn owners_in_a_circle_end() {
        let mut a = made("A", "a");
        a.owner = Some(Owner { kind: "A".into(), name: "a".into() });
        assert_eq!(top(of("A", "a"), vec![a]), ("A/a".to_owned(), MAX_OWNERS));
        assert_eq!(top(pod("p", &[], spec(Vec::new())), Vec::new()), ("nobody".to_owned(), 0));
    }
}
