//! Promises about sizes.
