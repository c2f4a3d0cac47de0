//! What integration tests share.

#![allow(dead_code, unreachable_pub, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::unwrap_used)]

pub mod apiserver;
pub mod command;
pub mod controller;
pub mod ec2;
pub mod fake;
#[cfg(feature = "aws")]
pub mod network;
pub mod node;
pub mod pki;
pub mod proxy;
pub mod roots;
pub mod vpc;
