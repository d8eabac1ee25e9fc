//! The decision core of junctor.
//!
//! A calculator: it is given a request, a time and a random draw, and returns a decision. It reads no clock, file,
//! environment or entropy, takes no lock and, once a fleet is compiled, allocates nothing on the way of a request.
//!
//! The modules are listed in the order of the walk: request → gate → rules → score → balance → reserve → settle.

#![forbid(unsafe_code)]

// vocabulary
pub mod fleet;
pub mod price;
pub mod refusal;
pub mod request;
pub mod spec;
pub mod state;
pub mod units;
// 1 gate
pub mod gate;
// 2 rules
pub mod route;
pub mod rules;
// 3 score
mod judge;
pub mod learned;
pub mod score;
// 4 balance
pub mod balance;
// 5 reserve
pub mod breaker;
pub mod hedge;
pub mod lease;
pub mod limit;
pub mod process;
pub mod reserve;
pub mod retry;
pub mod session;
// 6 result
pub mod decision;
pub mod outcome;
pub mod record;
pub mod reservation;
pub mod settle;
pub mod snapshot;
// support
pub mod counters;
pub mod draw;
pub mod gauge;
pub mod quantile;
pub mod sync;
// the walk
pub mod router;
mod touch;
pub mod walk;
