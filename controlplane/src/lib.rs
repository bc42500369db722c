//! The control plane: a compiler for the operator's policy, and the steward of what it compiled.
//!
//! `load → validate → compile → publish`, then `observe → steer`. It knows YAML, files, catalogues
//! and verbs, and never touches a request: when it dies, traffic goes on.
#![forbid(unsafe_code)]

pub mod load;
pub mod tree;

pub mod document;
pub mod validate;

pub mod budgets;
pub mod catalogue;
pub mod chaos;
pub mod complaint;
pub mod excerpt;
pub mod legible;
pub mod plan;
pub mod reference;
pub mod time;

pub mod aside;
pub mod compile;
pub mod diff;
pub mod explain;
pub mod journal;
pub mod keep;
pub mod publish;
pub mod recall;
pub mod trial;

pub mod control;
pub mod daemon;
pub mod health;
pub mod link;
pub mod observe;
pub mod steer;

pub mod audit;
pub mod child;
pub mod convert;
pub mod demo;
pub mod doctor;
pub mod init;
pub mod memory;
pub mod models;
pub mod places;
pub mod socket;
pub mod top;
pub mod up;
pub mod upkeep;
pub mod verbs;
