//! Mortar, an S3-compatible image server.

pub mod adapters;
pub mod cli;
pub mod config;
pub mod domain;
pub mod render_command;
