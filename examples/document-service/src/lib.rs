//! A document generation service in five stages.
//!
//! The modules follow the stages: [`extract`] reads source files, [`classify`] assigns their
//! passages to sections, [`rules`] checks and enriches them, [`generate`] renders a Word document
//! and [`post_process`] finishes it. Each stage is a plain function on plain data, so it can be
//! tested without a runtime; [`stages`] makes a pipeline of them, [`service`] puts that behind the
//! HTTP API on a [`store`], and [`cli`], [`serve`] and [`demo`] make a program of it.

pub mod classify;
pub mod cli;
pub mod demo;
mod discreet;
pub mod document;
pub mod extract;
pub mod files;
pub mod files_location;
pub mod generate;
pub mod jwt;
mod package;
pub mod post_process;
pub mod request;
pub mod rules;
pub mod serve;
pub mod service;
pub mod source;
pub mod stages;
pub mod store;
pub mod webhook_keys;
