//! Networks: who may ask from where, and whose word about addresses counts.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// An address and how many of its leading bits count (RFC 4632, RFC 4291 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// An address of it; bits behind the prefix are zero.
    address: IpAddr,
    /// Leading bits that are the same for all of it.
    prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or a single address.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub fn parse(text: &str) -> Result<Network, &'static str> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| "this is neither an address nor a network such as `10.0.0.0/8`")?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(text) => text.parse().ok().filter(|&prefix| prefix <= most).ok_or("the part behind `/` is no number of bits")?,
        };
        let network = Network { address: address.to_canonical(), prefix };
        if network.masked(address) != bits(address) {
            return Err("bits are set behind its prefix: write the network's first address");
        }
        if network.address.is_ipv4() != address.is_ipv4() {
            return Err("this is an IPv4 address in an IPv6 one: write it as IPv4");
        }
        Ok(network)
    }

    /// True when `address` lies in it. An IPv4 address that came as IPv6 (RFC 4291, section 2.5.5.2)
    /// counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.masked(address) == bits(self.address)
    }

    /// The leading bits of `address`.
    fn masked(&self, address: IpAddr) -> u128 {
        let width = if address.is_ipv4() { 32 } else { 128 };
        match width - u32::from(self.prefix).min(width) {
            128 => 0,
            rest => bits(address) >> rest << rest,
        }
    }
}

/// Leading bits first; those of IPv4 are the last 32.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => Ipv6Addr::to_bits(address),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests;
