//! Webhooks, each scenario with receivers that are real servers.

mod support;

mod cancel;
mod deliveries;
mod endpoints;
mod guard;
mod restart;
mod schedule;
