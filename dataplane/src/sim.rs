//! Scenes over the fake world: see `io::fake`.
