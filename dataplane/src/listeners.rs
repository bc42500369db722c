//! Listening sockets: opened, or inherited from who had them before.
//!
//! Each shard has one for each address, and the kernel spreads connections over them. Sockets come
//! from the service manager (`sd_listen_fds(3)`), or from the process whose place this one takes;
//! what waits in their queues is then not lost.

use crate::shard::Socket;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};
use std::{
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
};

/// Connections that may wait to be accepted, per listener.
const BACKLOG: i32 = 4_096;

/// Sockets of one process.
pub struct Listeners {
    /// Where tenants connect, as bound.
    pub bound: Vec<SocketAddr>,
    /// What each shard accepts from.
    pub by_shard: Vec<Vec<Socket>>,
    /// What the admin listener accepts from, if it is wanted.
    pub admin: Option<TcpListener>,
    /// All of them once more, to be handed over.
    pub spare: Vec<OwnedFd>,
}

impl Listeners {
    /// Opens what `gateway` wants, as far as it was not `inherited`.
    ///
    /// # Errors
    /// An address cannot be listened on: which, why, and what helps.
    pub fn open(gateway: &policy::Gateway, shards: usize, mut inherited: Vec<OwnedFd>) -> Result<Listeners, String> {
        let mut listeners =
            Listeners { bound: Vec::new(), by_shard: (0..shards).map(|_| Vec::new()).collect(), admin: None, spare: Vec::new() };
        let plain = gateway.listen.iter().map(|&address| (address, false));
        for (address, introduced) in plain.chain(gateway.introduced.iter().map(|&address| (address, true))) {
            let known = claim(&mut inherited, address);
            let bound = listeners.add(address, introduced, known).map_err(|errno| refused(address, errno))?;
            listeners.bound.push(bound);
        }
        if let Some(address) = gateway.admin {
            let opened = match claim(&mut inherited, address).pop() {
                Some(socket) => Ok(TcpListener::from(socket)),
                None => TcpListener::bind(address),
            };
            let listener = opened.map_err(|error| format!("the admin listener {address}: {error}"))?;
            listeners.spare.push(listener.try_clone().map_err(|error| error.to_string())?.into());
            listeners.admin = Some(listener);
        }
        for socket in inherited {
            let address = local_address(&socket).map_or("an unknown address".to_owned(), |address| address.to_string());
            eprintln!("throwover-dataplane: a socket for {address} was handed over, and the policy does not listen there: it is closed");
        }
        Ok(listeners)
    }

    /// One socket or more for every shard. One that is known may serve several of them.
    fn add(&mut self, address: SocketAddr, introduced: bool, known: Vec<OwnedFd>) -> rustix::io::Result<SocketAddr> {
        let mut bound = address;
        let shards = self.by_shard.len();
        let mut sockets = known;
        if sockets.is_empty() {
            for _ in 0..shards {
                let socket = open(bound)?;
                bound = local_address(&socket).unwrap_or(bound);
                sockets.push(socket);
            }
        }
        let shared = sockets.len() < shards;
        for at in 0..shards.max(sockets.len()) {
            let descriptor = rustix::io::fcntl_dupfd_cloexec(&sockets[at % sockets.len()], 3)?;
            self.by_shard[at % shards].push(Socket { descriptor, introduced, shared });
        }
        self.spare.append(&mut sockets);
        Ok(bound)
    }
}

/// Those of `inherited` that are bound to `address`.
fn claim(inherited: &mut Vec<OwnedFd>, address: SocketAddr) -> Vec<OwnedFd> {
    let (known, others) = std::mem::take(inherited).into_iter().partition(|socket| local_address(socket) == Some(address));
    *inherited = others;
    known
}

fn refused(address: SocketAddr, errno: rustix::io::Errno) -> String {
    format!("cannot listen on {address}: {errno}. Is another process there? `ss -ltnp 'sport = :{}'` tells.", address.port())
}

fn open(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn local_address(socket: &OwnedFd) -> Option<SocketAddr> {
    getsockname(socket).ok().and_then(|address| SocketAddr::try_from(address).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(listen: SocketAddr) -> policy::Gateway {
        policy::Gateway { listen: vec![listen], admin: None, ..policy::Gateway::default() }
    }

    #[test]
    fn what_was_inherited_is_spread_over_the_shards() {
        let first = open(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = local_address(&first).unwrap();
        let second = open(address).unwrap();
        let stray = open(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        // As many shards as sockets, more, and fewer: nobody is left without, and no socket is.
        for (shards, each) in [(2, vec![1, 1]), (3, vec![1, 1, 1]), (1, vec![2])] {
            let inherited = vec![first.try_clone().unwrap(), stray.try_clone().unwrap(), second.try_clone().unwrap()];
            let listeners = Listeners::open(&gateway(address), shards, inherited).unwrap();
            assert_eq!(listeners.by_shard.iter().map(Vec::len).collect::<Vec<_>>(), each, "{shards} shards");
            assert_eq!(listeners.bound, [address]);
            assert_eq!(listeners.spare.len(), 2);
        }
    }

    #[test]
    fn a_port_of_the_kernels_choice_is_the_same_for_all_shards() {
        let listeners = Listeners::open(&gateway(SocketAddr::from(([127, 0, 0, 1], 0))), 3, Vec::new()).unwrap();
        let ports: Vec<_> = listeners.by_shard.iter().map(|sockets| local_address(&sockets[0].descriptor).unwrap()).collect();
        assert!(ports.iter().all(|port| *port == listeners.bound[0] && port.port() != 0), "{ports:?}");
    }
}
