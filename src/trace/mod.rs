//! Walks a requirement through the layers, combines outcomes, collects evidence. Pure.

pub mod audit;
pub mod causes;
pub mod classes;
pub mod cloud;
pub mod context;
pub mod dns;
mod except;
pub mod explain;
pub mod flow;
pub mod layers;
pub mod names;
pub mod network;
pub mod objects;
pub mod plan;
pub mod report;
pub mod results;
pub mod service;
pub mod target;
pub mod tls;

pub use crate::policy::PolicyIndex;
pub use context::{Context, Profile};
