//! Binding sockets before anything is served, so that a taken address is a clear error at start.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Socket, Type};

use crate::config::Listener;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A bound socket. A unix socket's file is removed when this is dropped.
#[derive(Debug)]
pub enum Bound {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A unix socket and its file.
    Unix(UnixListener, SocketFile),
}

/// The file of a unix socket, removed on drop.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

/// Binds one configured address.
///
/// # Errors
/// Whatever the system said: the address is taken, not local, or not allowed.
pub fn bind(listener: &Listener) -> io::Result<Bound> {
    match listener {
        Listener::Tcp(address) => bind_tcp(*address).map(Bound::Tcp),
        Listener::Unix(path) => bind_unix(path),
    }
}

impl Bound {
    /// The address as one would write it into the configuration; for port 0 the port that the system chose.
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(socket) => {
                socket.local_addr().map_or_else(|_| "unknown".to_owned(), |address| address.to_string())
            }
            Self::Unix(_, file) => format!("unix:{}", file.0.display()),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing to tell anyone when somebody else has removed it.
        let _ = fs::remove_file(&self.0);
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket file left behind by a crash is replaced; one that still answers belongs to somebody.
fn bind_unix(path: &Path) -> io::Result<Bound> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket {
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on this socket"));
        }
        fs::remove_file(path)?;
    }
    Ok(Bound::Unix(UnixListener::bind(path)?, SocketFile(path.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_is_replaced_when_dead_kept_when_alive_and_removed_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mortar.sock");
        let listener = Listener::Unix(path.clone());

        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a crash leaves the file behind");
        let bound = bind(&listener).unwrap();
        assert_eq!(bind(&listener).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("precious");
        fs::write(&path, "data").unwrap();
        assert!(bind(&Listener::Unix(path.clone())).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"data");
    }

    #[test]
    fn port_zero_tells_the_chosen_port() {
        let bound = bind(&Listener::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
        assert!(!bound.address().ends_with(":0"), "{}", bound.address());
    }
}
