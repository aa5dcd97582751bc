//! From the typed configuration to what the client library connects by.

use std::fs;

use deadpool_redis::redis::io::tcp::TcpSettings;
use deadpool_redis::redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisResult, TlsCertificates,
};
use mortar_actors::{Fault, FaultKind};

use crate::config::{RedisConfig, RedisEndpoint};

/// How each server of the configuration is connected to. Nothing is connected yet.
///
/// # Errors
/// `Invalid` when the file of certificates cannot be read or holds none.
pub(super) fn servers(config: &RedisConfig) -> Result<Vec<ConnectionInfo>, Fault> {
    let certificates = config.ca_certificate.as_ref().map(fs::read).transpose().map_err(|why| {
        Fault::new(FaultKind::Invalid, format!("the file of ca_certificate cannot be read: {why}")).caused_by(why)
    })?;
    let server = |endpoint| server(config, endpoint, certificates.as_deref());
    let servers: RedisResult<Vec<_>> = config.endpoints.iter().map(server).collect();
    servers.map_err(|why| Fault::new(FaultKind::Invalid, format!("the Redis cannot be used: {why}")).caused_by(why))
}

fn server(config: &RedisConfig, endpoint: &RedisEndpoint, ca: Option<&[u8]>) -> RedisResult<ConnectionInfo> {
    let mut settings = RedisConnectionInfo::default().set_db(i64::from(config.database)).set_skip_set_lib_name();
    if let Some(username) = &config.credentials.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &config.credentials.password {
        settings = settings.set_password(password);
    }
    let info = address(endpoint)
        .into_connection_info()?
        .set_redis_settings(settings)
        .set_tcp_settings(TcpSettings::default().set_nodelay(true));
    match ca.filter(|_| endpoint.is_tls()) {
        None => Ok(info),
        Some(ca) => {
            let trusted = TlsCertificates { client_tls: None, root_cert: Some(ca.to_vec()) };
            Ok(Client::build_with_tls(info, trusted)?.get_connection_info().clone())
        }
    }
}

fn address(endpoint: &RedisEndpoint) -> ConnectionAddr {
    match endpoint {
        RedisEndpoint::Tcp { host, port, tls: false } => ConnectionAddr::Tcp(host.clone(), *port),
        RedisEndpoint::Tcp { host, port, tls: true } => {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        }
        RedisEndpoint::Unix(path) => ConnectionAddr::Unix(path.clone()),
    }
}
