//! The built operator against a real control plane; the API server's audit log is the oracle of what was written.
#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a broken assumption has to end the test with a message"
)]

mod broken_policies;
mod crashes;
mod endpoints;
mod engines;
mod events;
mod export;
mod fills;
mod fko;
mod gitops;
mod hooked;
mod kinds;
mod kustomize;
mod layers;
mod limits;
mod modes;
mod moments;
mod obedience;
mod owner;
mod ownership;
mod policies;
mod preview;
mod process;
mod races;
mod report_command;
mod reports;
mod rights;
mod rollout;
mod support;
mod tenancy;
mod undo;
mod webhook;
mod webhook_clients;
mod webhook_serving;
mod windows;
