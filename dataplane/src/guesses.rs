//! Keys that nobody has, by the address that they came from.
//!
//! Beyond a rate, whoever presents unknown keys is told to wait and loses the connection. Known keys
//! are never refused here: one misconfigured program must not shut out all others behind the same
//! address. A small table of each shard's, in which a newer address takes the place of an older one.

use engine::{
    Moment,
    allowance::{Allowance, Rate, Spent},
};
use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
};

/// Unknown keys of one address in a minute, per shard.
const PER_MINUTE: u64 = 60;
/// Addresses that are remembered.
const PLACES: usize = 512;

/// Which addresses guess, and how much.
pub struct Guesses {
    places: RefCell<Vec<(IpAddr, Allowance)>>,
    hasher: RandomState,
}

impl Default for Guesses {
    fn default() -> Self {
        Guesses { places: RefCell::default(), hasher: RandomState::new() }
    }
}

impl Guesses {
    /// Counts an unknown key from `address`.
    ///
    /// # Errors
    /// There were too many: nanoseconds until the next one is counted again.
    pub fn count(&self, address: IpAddr, now: Moment) -> Result<(), u64> {
        let mut places = self.places.borrow_mut();
        if places.is_empty() {
            // Most gateways never see one; those that do see many.
            places.resize_with(PLACES, || (IpAddr::from([0, 0, 0, 0]), Allowance::default()));
        }
        let address = family_of(address);
        let place = &mut places[(self.hasher.hash_one(address) % PLACES as u64) as usize];
        if place.0 != address {
            *place = (address, Allowance::default());
        }
        let rate = Rate::per_minute(PER_MINUTE).expect("not zero");
        place.1.take(rate, 1, now).map(|_| ()).map_err(|spent| match spent {
            Spent::For(ns) => ns,
            Spent::TooMuch => unreachable!("one is less than a minute's worth"),
        })
    }
}

/// Whoever has an IPv6 address has 2^64 of them.
fn family_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::from((address.to_bits() >> 64 << 64).to_be_bytes()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_own_allowance_and_gets_it_back() {
        let guesses = Guesses::default();
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let now = Moment(1_000_000_000);
        for _ in 0..PER_MINUTE {
            assert_eq!(guesses.count(one, now), Ok(()));
        }
        let wait = guesses.count(one, now).unwrap_err();
        // Another one in another place of the table; in the same one it would begin afresh, too.
        assert_eq!(guesses.count(other, now), Ok(()));
        assert!(wait > 0);
        assert_eq!(guesses.count(one, now.plus_ns(wait)), Ok(()));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let guesses = Guesses::default();
        let now = Moment(1_000_000_000);
        for host in 0..PER_MINUTE {
            assert_eq!(guesses.count(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host as u16]), now), Ok(()));
        }
        assert!(guesses.count("2001:db8:0:1:ffff::".parse().unwrap(), now).is_err());
    }
}
