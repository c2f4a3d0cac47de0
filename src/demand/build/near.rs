//! What came near to a build.

use crate::model::report::Candidate;

/// How many near candidates are told when nothing was found.
const NEAREST: usize = 5;

/// The best candidates below the threshold.
#[derive(Debug)]
pub(super) struct Nearest<T>(Vec<Near<T>>);

#[derive(Debug)]
struct Near<T> {
    score: f64,
    name: String,
    what: T,
}

impl<T> Default for Nearest<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Nearest<T> {
    /// Keeps a candidate if it is among the best.
    pub(super) fn remember(&mut self, score: f64, name: impl FnOnce() -> String, what: impl FnOnce() -> T) {
        let is_full = self.0.len() == NEAREST;
        if is_full && self.0.last().is_some_and(|last| last.score > score) {
            return;
        }
        let name = name();
        let at = self.0.partition_point(|known| (-known.score, known.name.as_str()) < (-score, name.as_str()));
        if at < NEAREST {
            self.0.insert(at, Near { score, name, what: what() });
            self.0.truncate(NEAREST);
        }
    }

    /// The candidates, best first, with the signs that they have.
    pub(super) fn candidates(self, mut signals: impl FnMut(T) -> Vec<String>) -> Vec<Candidate> {
        let candidate = |Near { score, name, what }: Near<T>| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 100
            let percent = (score * 100.0).round() as u8;
            Candidate { name: name.into(), score: percent, signals: signals(what) }
        };
        self.0.into_iter().map(candidate).collect()
    }
}
