//! What a client accepts: certificates, the stores that it reads, and how strictly it verifies. Pure.

pub mod bundle;
pub mod cert;
pub mod client;
mod der;
mod name;
pub mod objects;
pub mod places;
pub mod runtime;
pub mod stock;
pub mod tree;
pub mod verify;

pub use bundle::Bundle;
pub use cert::Certificate;
pub use client::Client;
pub use tree::Tree;
