//! Mortar, an S3-compatible image server.

pub mod adapters;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod health_command;
pub mod http;
pub mod pipeline;
pub mod process;
pub mod render_command;
pub mod respond;
pub mod s3;
pub mod sample;
pub mod serve;
pub mod telemetry;
