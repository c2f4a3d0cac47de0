//! What pod network policies decide. Pure.
//!
//! Each dialect is compiled once into the common rule form ([`rule`]); one sweep ([`evaluate`]) asks how much
//! of a destination the rules admit and which rule took which share.

pub mod compile;
pub mod engine;
pub mod evaluate;
pub mod index;
pub mod kinds;
pub mod rule;

pub use engine::{Enforcement, Hold};
pub use evaluate::{Admitted, Gate, Other, Quick, Semantics, Sweep};
pub use index::{Party, PolicyIndex};
pub use rule::{Direction, PolicyId, RuleId};
