//! What clients make of what servers present, each question answered once.

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::server::{Given, Server, Servers};
use super::sites::{Place, Places};
use super::{Asking, clients};
use crate::demand::{Demand, Requirement, Speaks};
use crate::model::trust::TrustNote;
use crate::model::{Few, Layer, Step, StepOutcome, Str};
use crate::trace::context::Context;
use crate::trace::plan::Planned;
use crate::trust::Client;
use crate::trust::client::Effective;

/// What clients trust in images as they come: containers that alter nothing are many, and all alike.
#[derive(Debug, Default)]
pub(super) struct Stock(pub(super) RefCell<FxHashMap<InStock, Arc<Effective>>>);

/// A client, the name of the layout, whether the image is Kaniko's, the words of the command, and the host where it matters.
type InStock = (Client, &'static str, bool, Vec<String>, Option<String>);

/// So much of what clients trust in images as they come is kept.
const STOCK: usize = 4096;

/// Who asks: all of a requirement that an answer may hang on, but for its server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Who {
    pub(super) ecosystem: Option<Str>,
    pub(super) containers: Few<Str>,
    pub(super) speaks: Speaks,
}

/// A question, the same at all places.
#[derive(Debug)]
pub struct Ask {
    /// Its number.
    own: u64,
    /// The number of all that are like it where nothing is set that counts for one host alone.
    alike: Option<u64>,
    who: Who,
    server: Arc<Server>,
}

/// In the place of a server: all public ones that are alike.
const PUBLIC: u64 = 0;

/// The answers of one audit, and those of the one before that may hold for it.
#[derive(Debug, Default)]
pub(in crate::trace) struct Answers {
    known: RefCell<Known>,
    pub(super) stock: Stock,
}

#[derive(Debug, Default)]
struct Known {
    /// The audit that runs: what it does not ask for is forgotten after it.
    audit: u64,
    /// The last number that was given away.
    last: u64,
    servers: Servers,
    /// The numbers of questions, each with the audit that last asked it.
    questions: FxHashMap<(Who, u64), (u64, u64)>,
    /// By what is at a place and the question.
    answers: FxHashMap<(u64, u64), Answer>,
    steps: Steps,
}

#[derive(Debug)]
struct Answer {
    /// The number of its step.
    step: u32,
    notes: Box<[TrustNote]>,
    /// The audit that last asked for it, and the number of the place in that one.
    audit: u64,
    place: u32,
}

impl Answers {
    /// Forgets what hangs on the facts, and keeps what is so everywhere.
    pub(super) fn anew(self) -> Self {
        Self { stock: self.stock, ..Self::default() }
    }

    /// An audit begins.
    pub(super) fn begin(&mut self, audit: u64) {
        self.known.get_mut().audit = audit;
    }

    /// Forgets what the audit that ends did not ask for.
    pub(super) fn sweep(&mut self) {
        let Known { audit, servers, questions, answers, steps, .. } = self.known.get_mut();
        let audit = *audit;
        servers.sweep(audit);
        questions.retain(|_, (_, seen)| *seen == audit);
        answers.retain(|_, answer| answer.audit == audit);
        steps.sweep(audit);
        // Words of commands are as many as builds.
        if self.stock.0.get_mut().len() > STOCK {
            self.stock = Stock::default();
        }
    }

    /// The question of a requirement, with its endpoint and that one's number in the plan of the audit that runs.
    pub(in crate::trace) fn ask(
        &self,
        demand: &Demand,
        requirement: &Requirement,
        (planned, number): (&Planned, u32),
    ) -> Ask {
        let known = &mut *self.known.borrow_mut();
        let server = known.servers.of_endpoint(number).unwrap_or_else(|| {
            known.last += 1;
            let at = (&planned.endpoint.host, planned.endpoint.port);
            known.servers.add(number, at, demand.presented(requirement), (known.audit, known.last))
        });
        let Requirement { ecosystem, containers, speaks, .. } = requirement;
        let who = Who { ecosystem: ecosystem.clone(), containers: containers.clone(), speaks: *speaks };
        let is_alike = matches!(server.given, Given::Public) && !clients::hang_on(&server.host);
        let alike = is_alike.then(|| known.question(&who, PUBLIC));
        Ask { own: known.question(&who, server.id), alike, who, server }
    }

    /// The number of the step that answers a question at a place. Equal steps have equal numbers, which mean nothing else.
    pub(in crate::trace) fn number(&self, context: &Context<'_>, places: &Places, place: u32, ask: &Ask) -> u32 {
        let met = places.get(place);
        // Some settings count for one host alone.
        let question = ask.alike.filter(|_| met.is_some_and(|met| met.is_plain)).unwrap_or(ask.own);
        let key = (met.map_or(0, |met| met.id), question);
        if let Some(step) = self.known.borrow_mut().again(key, place) {
            return step;
        }
        let asking =
            Asking { context, place: met.map_or(&Place::Other, |met| &met.place), who: &ask.who, server: &ask.server };
        let (step, notes) = asking.step(&self.stock);
        let known = &mut *self.known.borrow_mut();
        let audit = known.audit;
        let step = known.steps.number(step, audit);
        known.answers.insert(key, Answer { step, notes: notes.into(), audit, place });
        step
    }

    /// The step with a number.
    pub(in crate::trace) fn step(&self, number: u32) -> Step {
        let known = self.known.borrow();
        let step = known.steps.all.get(number as usize).and_then(|(step, _)| step.as_ref());
        step.map_or_else(|| Step::new(Layer::Tls, StepOutcome::NotAssessed, "nobody asked"), |step| Step::clone(step))
    }

    /// What was noted where this audit asked, with the numbers of the places, in no order.
    pub(super) fn notes(&self) -> Vec<(u32, TrustNote)> {
        let known = self.known.borrow();
        let asked = known.answers.values().filter(|answer| answer.audit == known.audit);
        asked.flat_map(|answer| answer.notes.iter().map(|note| (answer.place, note.clone()))).collect()
    }
}

impl Known {
    /// The number of a question.
    fn question(&mut self, who: &Who, server: u64) -> u64 {
        let (number, seen) = self.questions.entry((who.clone(), server)).or_insert_with(|| {
            self.last += 1;
            (self.last, 0)
        });
        *seen = self.audit;
        *number
    }

    /// An answer that is known.
    fn again(&mut self, key: (u64, u64), place: u32) -> Option<u32> {
        let answer = self.answers.get_mut(&key)?;
        if answer.audit != self.audit {
            (answer.audit, answer.place) = (self.audit, place);
            self.steps.keep(answer.step, self.audit);
        }
        Some(answer.step)
    }
}

/// Steps by their numbers.
#[derive(Debug, Default)]
struct Steps {
    /// Each with the audit that last asked for it; gone ones leave a gap.
    all: Vec<(Option<Arc<Step>>, u64)>,
    gaps: Vec<u32>,
}

impl Steps {
    /// The number of a step, the same for equal ones.
    #[allow(clippy::cast_possible_truncation)] // fewer steps than pairs of places and endpoints
    fn number(&mut self, step: Step, audit: u64) -> u32 {
        let same = |(known, _): &(Option<Arc<Step>>, u64)| known.as_ref().is_some_and(|known| **known == step);
        if let Some(known) = self.all.iter().position(same) {
            self.all[known].1 = audit;
            return known as u32;
        }
        let new = (Some(Arc::new(step)), audit);
        if let Some(gap) = self.gaps.pop() {
            self.all[gap as usize] = new;
            return gap;
        }
        self.all.push(new);
        self.all.len() as u32 - 1
    }

    fn keep(&mut self, number: u32, audit: u64) {
        self.all[number as usize].1 = audit;
    }

    fn sweep(&mut self, audit: u64) {
        for ((step, seen), number) in self.all.iter_mut().zip(0..) {
            if *seen != audit && step.take().is_some() {
                self.gaps.push(number);
            }
        }
    }
}

#[cfg(test)]
impl Answers {
    /// How many servers, questions, answers and steps there are.
    pub(super) fn counts(&self) -> [usize; 4] {
        let known = self.known.borrow();
        let steps = known.steps.all.iter().filter(|(step, _)| step.is_some()).count();
        [known.servers.len(), known.questions.len(), known.answers.len(), steps]
    }

    /// By what answers are held.
    pub(super) fn keys(&self) -> std::collections::BTreeSet<(u64, u64)> {
        self.known.borrow().answers.keys().copied().collect()
    }
}
