//! Reachability assertions as code. Pure: text and snapshots in, judgements out.

pub mod judge;
pub mod spec;

pub use judge::{AssertionResult, Status, SuiteResult, judge};
pub use spec::{Suite, parse};
