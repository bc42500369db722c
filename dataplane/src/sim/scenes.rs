//! One history for every promise.
