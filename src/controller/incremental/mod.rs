//! What the controller says with all that it keeps from one evaluation to the next is what it would say with nothing kept.

#![allow(clippy::needless_pass_by_value, clippy::panic, clippy::unwrap_used)] // `json!` makes values

mod cases;
mod steps;

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::Value;

use self::steps::{Certificates, READ, START, Step, step};
use super::told::{Told, Ways};
use super::{Answer, Memory, Setup, Wish, evaluate};
use crate::collect::kube::Taken;
use crate::collect::kube::testing::{Said, Scripted};
use crate::demand::{Catalogue, Ranges};
use crate::model::{Outcome, Snapshot};
use crate::trace::Profile;

fn setup() -> Setup {
    Setup { catalogue: Catalogue::builtin(), ranges: Ranges::builtin(), profile: Profile::default() }
}

/// The controller without a server.
struct Controller<'s> {
    setup: &'s Setup,
    cluster: Scripted,
    now: jiff::Timestamp,
    memory: Memory,
    ways: Ways,
    wishes: BTreeMap<u8, Wish>,
    /// How often the facts that were given back were used again.
    again: u32,
}

/// An evaluation.
struct Spoken {
    answers: Vec<Answer>,
    told: String,
    snapshot: Value,
}

impl<'s> Controller<'s> {
    fn new(setup: &'s Setup) -> Self {
        Self::within(setup, &[])
    }

    /// One that watches these namespaces; all where there are none.
    fn within(setup: &'s Setup, namespaces: &[String]) -> Self {
        let mut cluster = Scripted::new(START, namespaces);
        for object in steps::beginning() {
            cluster.hear(Said::Applied(object), START);
        }
        Self {
            setup,
            cluster,
            now: START,
            memory: Memory::default(),
            ways: Ways::default(),
            wishes: BTreeMap::new(),
            again: 0,
        }
    }

    fn after(&mut self, seconds: u16) {
        self.now += jiff::SignedDuration::from_secs(i64::from(seconds));
    }

    fn hear(&mut self, said: Said) -> bool {
        self.cluster.hear(said, self.now)
    }

    fn apply(&mut self, object: &Value) -> bool {
        self.hear(Said::Applied(object.clone()))
    }

    fn wish(&mut self, number: u8, spec: Value) {
        self.wishes.insert(number, steps::wish(number, spec));
    }

    fn evaluation(&self, taken: &Taken, memory: &mut Memory, ways: &mut Ways) -> Spoken {
        let wishes: Vec<Wish> = self.wishes.values().cloned().collect();
        let answers = evaluate(self.setup, taken, &wishes, memory);
        let told = format!("{:#?}", Told::new(taken, &wishes, &answers, ways));
        Spoken { answers, told, snapshot: value(&taken.snapshot) }
    }

    /// What it says, and what it would say with nothing kept.
    fn both(&mut self) -> (Spoken, Spoken) {
        let taken = self.cluster.take(self.now);
        self.again += u32::from(taken.former.is_some());
        let (mut memory, mut ways) = (std::mem::take(&mut self.memory), std::mem::take(&mut self.ways));
        let kept = self.evaluation(&taken, &mut memory, &mut ways);
        self.cluster.keep(taken);
        (self.memory, self.ways) = (memory, ways);
        let fresh = self.evaluation(&self.cluster.whole(self.now), &mut Memory::default(), &mut Ways::default());
        (kept, fresh)
    }

    /// Both, which are the same.
    fn same(&mut self) -> Vec<Answer> {
        let (kept, fresh) = self.both();
        if let Some(why) = difference(&kept, &fresh) {
            panic!("{why}");
        }
        kept.answers
    }
}

/// A snapshot without what decides nothing.
fn value(snapshot: &Snapshot) -> Value {
    let mut value = serde_json::to_value(snapshot).unwrap();
    for trust in value["nodeTrust"].as_array_mut().into_iter().flatten() {
        trust.as_object_mut().unwrap().remove("observed");
    }
    value
}

/// Where two evaluations differ, if they do.
fn difference(kept: &Spoken, fresh: &Spoken) -> Option<String> {
    if kept.snapshot != fresh.snapshot {
        return Some(first_line(&format!("{:#}", kept.snapshot), &format!("{:#}", fresh.snapshot)));
    }
    if kept.answers != fresh.answers {
        return Some(first_line(&format!("{:#?}", kept.answers), &format!("{:#?}", fresh.answers)));
    }
    (kept.told != fresh.told).then(|| first_line(&kept.told, &fresh.told))
}

fn first_line(kept: &str, fresh: &str) -> String {
    let at = kept.lines().zip(fresh.lines()).position(|(kept, fresh)| kept != fresh).unwrap_or_default();
    let part = |text: &str| text.lines().skip(at.saturating_sub(12)).take(24).collect::<Vec<_>>().join("\n");
    format!("kept:\n{}\n\nfresh:\n{}", part(kept), part(fresh))
}

/// Sequences, and steps in one at most.
const SEQUENCES: u32 = 10;
const STEPS: std::ops::Range<usize> = 120..240;

#[test]
fn what_is_kept_changes_nothing() {
    let setup = setup();
    let certificates = Certificates::new();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let config = Config {
        cases: SEQUENCES,
        max_shrink_iters: 200,
        max_shrink_time: 20_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let counts = std::cell::RefCell::new((0, 0, BTreeMap::<Outcome, u64>::new()));
    let namespaces = select(vec![vec![], vec![], vec!["ci".to_owned(), "kube-system".to_owned(), "web".to_owned()]]);
    let result = runner.run(&(namespaces, vec(step(&certificates), STEPS)), |(namespaces, steps)| {
        let mut controller = Controller::within(&setup, &namespaces);
        for step in steps {
            match step {
                Step::Said(said) => drop(controller.hear(said)),
                Step::Read(config_maps) => drop(controller.cluster.read(READ, &config_maps)),
                Step::Wish(number, Some(spec)) => controller.wish(number, spec),
                Step::Wish(number, None) => drop(controller.wishes.remove(&number)),
                Step::Later(seconds) => controller.after(seconds),
                Step::Forget => controller.cluster.forget(),
                Step::Take => drop(controller.cluster.take(controller.now)),
                Step::Answer if controller.cluster.is_in_doubt(controller.now) => {}
                Step::Answer => {
                    let (kept, fresh) = controller.both();
                    if let Some(why) = difference(&kept, &fresh) {
                        return Err(TestCaseError::fail(why));
                    }
                    let mut counts = counts.borrow_mut();
                    counts.1 += 1;
                    let reports = kept.answers.iter().filter_map(|(_, answer)| answer.as_ref().ok());
                    for path in reports.flat_map(|report| &report.results).flat_map(|class| &class.paths) {
                        *counts.2.entry(path.outcome).or_default() += 1;
                    }
                }
            }
        }
        counts.borrow_mut().0 += controller.again;
        Ok(())
    });
    if let Err(why) = result {
        panic!("{why}");
    }
    let (again, answers, outcomes) = counts.into_inner();
    assert!(again > answers / 2, "facts are kept: {again} of {answers}");
    let often = |outcome: Outcome| outcomes.get(&outcome).is_some_and(|count| *count > 100);
    assert!([Outcome::Reachable, Outcome::Blocked, Outcome::Unknown].into_iter().all(often), "{outcomes:?}");
}
