//! The data plane's process.

use dataplane::io;

fn main() {
    match io::probe() {
        Ok(found) => println!("{found:?}"),
        Err(obstacle) => println!("{obstacle}"),
    }
}
