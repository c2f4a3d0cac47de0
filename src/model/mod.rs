//! The vocabulary that every other room speaks. Pure: no I/O, clock, environment or randomness.

pub mod addr;
pub mod aws;
pub mod base64;
pub mod changes;
pub mod codes;
pub mod exception;
pub mod few;
pub mod finding;
pub mod in_place;
pub mod label;
pub mod list;
pub mod mount;
mod network_policy;
pub mod object;
pub mod outcome;
mod pod;
pub mod port;
pub mod report;
pub mod scheduling;
pub mod snapshot;
pub mod text;
pub mod trace;
pub mod trust;
pub mod variables;
pub mod words;

pub use addr::{AddrSet, Family};
pub use few::Few;
pub use finding::{Finding, Hit, Severity};
pub use label::{Labels, Selector};
pub use list::List;
pub use object::ObjectRef;
pub use outcome::{Layer, Outcome};
pub use port::{PortSet, Protocol};
pub use snapshot::{Coverage, CoverageState, Problem, ProblemClass, Snapshot, World};
pub use text::Str;
pub use trace::{Decided, Doubt, Evidence, Step, StepOutcome, Trace};
