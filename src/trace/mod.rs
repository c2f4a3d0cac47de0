//! Walks a requirement through the layers, combines outcomes, collects evidence. Pure.

pub mod context;
pub mod dns;
pub mod flow;
pub mod layers;
pub mod objects;
pub mod service;
pub mod target;

pub use context::{Context, Profile};
