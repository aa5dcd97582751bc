//! Mortar, an S3-compatible image server.

pub mod adapters;
pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod http;
pub mod respond;
pub mod telemetry;
