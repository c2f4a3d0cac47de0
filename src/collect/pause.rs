//! Pauses that become longer. Of time they know lengths only: `core` has no clock.

use core::time::Duration;

/// A pause that is twice as long each time, up to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    least: Duration,
    most: Duration,
    now: Duration,
}

impl Pause {
    /// The first pause, and the longest.
    pub(crate) const fn new(least: Duration, most: Duration) -> Self {
        Self { least, most, now: least }
    }

    /// How long it is.
    pub(crate) fn get(&self) -> Duration {
        self.now
    }

    /// Makes it longer.
    pub(crate) fn grow(&mut self) {
        self.now = self.now.saturating_mul(2).min(self.most);
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self) {
        self.now = self.least;
    }
}

/// At least 0 and less than 1: so that those who began to wait together do not go on together.
pub(crate) fn random() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(()) % 1024;
    f64::from(u32::try_from(random).unwrap_or(0)) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_its_limit_and_begins_anew() {
        let mut pause = Pause::new(Duration::from_secs(2), Duration::from_secs(30));
        let mut next = || {
            let now = pause.get().as_secs();
            pause.grow();
            now
        };
        assert_eq!([next(), next(), next(), next(), next(), next()], [2, 4, 8, 16, 30, 30]);
        pause.reset();
        assert_eq!(pause.get(), Duration::from_secs(2));
    }
}
