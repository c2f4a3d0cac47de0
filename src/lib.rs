//! Tells why a build cannot fetch its dependencies: which exact rule says no.
//!
//! One straight way for the data: `collect` reads facts into a [`model::Snapshot`], the pure rooms
//! decide, `report` renders.

pub mod agent;
pub mod archive;
pub mod cli;
pub mod cloud;
pub mod collect;
pub mod controller;
pub mod crd;
pub mod demand;
pub mod demo;
pub mod model;
pub mod policy;
pub mod report;
pub mod suite;
pub mod trace;
pub mod trust;
