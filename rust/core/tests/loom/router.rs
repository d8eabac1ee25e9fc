//! A whole walk and a whole settlement at once, on one deployment with one place.
//!
//! A reservation itself is settled through `&mut`, so that two threads cannot try; what they share is its words. Reloads
//! are shuttle's: the fleet is exchanged by `arc-swap`, whose own words loom does not see (`tests/shuttle.rs`).

use std::sync::Arc;

use junctor_core::decision::Why;
use junctor_core::outcome::{Ending, Outcome};
use junctor_core::request::Request;
use junctor_core::router::Router;
use junctor_core::snapshot::Snapshot;
use junctor_core::spec::FleetSpec;
use junctor_core::state::{Room, State};
use junctor_core::units::Nanos;
use serde_json::json;

use crate::{T, outcomes, s, together};

const ASK: Request<'static> = Request { input_tokens: 10, ..Request::plain("all") };

/// One deployment, one at once.
fn fleet() -> FleetSpec {
    let deployment = json!({"name": "one", "provider": "acme", "model": "acme/one", "pools": ["key"]});
    let limits = json!([{"dimension": "concurrency", "limit": 1}]);
    serde_json::from_value(json!({
        "config_hash": "c0ffee",
        "deployments": [deployment],
        "groups": [{"name": "all", "members": ["one"]}],
        "pools": [{"name": "key", "limits": limits}],
    }))
    .unwrap()
}

/// With room for nothing more: each word costs the checker time.
fn router() -> Router {
    let room = Room { deployments: 1, buckets: 1, groups: 3, lengths: 3 };
    Router::over(&fleet(), Arc::new(State::on_heap(room))).unwrap()
}

fn at_rest(router: &Router, now: Nanos) -> u64 {
    let snapshot = Snapshot::take(&router.fleet(), now);
    let one = &snapshot.deployments["one"];
    assert_eq!((one.in_flight, snapshot.pools["key"]["concurrency"].level), (0, 1));
    one.attempts
}

fn good() -> Outcome<'static> {
    Outcome { input_tokens: Some(10), output_tokens: Some(5), ..Outcome::bare(Ending::Succeeded) }
}

#[test]
fn of_two_requests_for_one_place_one_is_served_and_both_leave_nothing() {
    let seen = outcomes(|| {
        let router = Arc::new(router());
        let made = together(&router, 2, |router, place| router.reserve(&ASK, T, place as u64));
        let held = made.iter().map(Result::is_ok).collect::<Vec<_>>();
        assert_eq!(held.iter().filter(|held| **held).count(), 1);
        for made in made {
            match made {
                Ok(mut reservation) => drop(reservation.settle(good(), T + s(1)).cost),
                Err(denial) => assert!(matches!(denial.why, Why::NoCapacity { .. }), "{:?}", denial.why),
            }
        }
        assert_eq!(at_rest(&router, T + s(1)), 1);
        held
    });
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_settlement_on_one_thread_frees_the_place_for_another_at_once_or_not_at_all() {
    let seen = outcomes(|| {
        let router = Arc::new(router());
        let first = std::sync::Mutex::new(Some(router.reserve(&ASK, T, 1).unwrap()));
        let made = together(&Arc::new((router.clone(), first)), 2, |(router, first), place| {
            if place == 0 {
                let mut first = first.lock().unwrap().take().unwrap();
                first.settle(good(), T + s(1));
                return None;
            }
            router.reserve(&ASK, T + s(1), 2).ok()
        });
        let served = made[1].is_some();
        drop(made);
        assert_eq!(at_rest(&router, T + s(1)), 1 + u64::from(served));
        served
    });
    assert_eq!(seen.len(), 2);
}
