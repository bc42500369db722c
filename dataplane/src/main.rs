//! The data plane's process.

use dataplane::io::ring::probe;

fn main() {
    match probe::probe() {
        Ok(found) => println!("{found:?}"),
        Err(obstacle) => println!("{obstacle}"),
    }
}
