//! Hours of traffic, and ten thousand deployments.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use junctor_core::spec::FleetSpec;
use junctor_sim::scenario::Ten;
use junctor_sim::{Fault, Provider, World};
use serde_json::json;

#[test]
fn two_hours_of_traffic_with_a_flapping_provider_break_no_promise() {
    let fault = Fault::Errors { after_s: 0.02, share: 1.0 };
    let mut world = Ten { seconds: 7_200.0, per_s: 20.0, ..Ten::default() }.world(1);
    world.providers[0].ail(junctor_sim::fault::Ailment {
        from_s: 600.0,
        to_s: 6_000.0,
        round: Some((80.0, 40.0)),
        fault,
    });
    world.run();
    assert!(world.is_at_rest(), "{:?}", world.ledger.breaches);
    assert!(world.attempts.len() > 140_000 && world.ledger.checks > 280_000);
    assert!(world.failures(0.0, 7_200.0) < 0.0005, "{}", world.failures(0.0, 7_200.0));
    // Flapping keeps it out longer each time, so few of the calls that would be its own are wasted on it.
    let wasted = world.endings(600.0, 6_000.0, |ending| matches!(ending, junctor_core::outcome::Ending::Failed(_)));
    assert!((5..200).contains(&wasted), "{wasted}");
}

#[test]
fn ten_thousand_deployments_serve_a_crowd_and_are_counted() {
    let names: Vec<String> = (0..10_000).map(|at| format!("d{at}")).collect();
    let own = |name: &String| json!({"name": name, "limits": [{"dimension": "rpm", "limit": 60}]});
    let made = |name: &String| json!({"name": name, "provider": "acme", "model": "acme/one", "pools": [name]});
    let spec: FleetSpec = serde_json::from_value(json!({
        "pools": names.iter().map(own).collect::<Vec<_>>(),
        "deployments": names.iter().map(made).collect::<Vec<_>>(),
        "groups": [{"name": "all", "members": names}],
    }))
    .unwrap();
    let down = Fault::Errors { after_s: 0.02, share: 1.0 };
    let provider = |(at, name): (usize, &String)| {
        let made = Provider::new(name, 0.5, 200_000.0);
        if at % 10 == 0 { made.ailing(2.0, 1e9, down) } else { made }
    };
    let mut world = World::of(&spec, names.iter().enumerate().map(provider).collect(), 1).unwrap();
    world.traffic(2_000.0, 0.0, 10.0);
    world.run();
    assert!(world.is_at_rest(), "{:?}", world.ledger.breaches);
    assert!(world.calls.len() > 19_000);
    assert!(world.failures(0.0, 10.0) < 0.01, "{}", world.failures(0.0, 10.0));
    let served: std::collections::HashSet<usize> = world.attempts.iter().map(|attempt| attempt.provider).collect();
    assert!(served.len() > 7_000, "{} of ten thousand", served.len());
}

#[test]
#[cfg(target_os = "linux")]
fn a_deployment_takes_less_than_four_kibibytes_and_an_attempt_under_way_less_than_one() {
    // A process of its own, so that no other test's memory is in the sum.
    let told = std::process::Command::new(env!("CARGO_BIN_EXE_junctor-sim")).arg("memory").output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let bytes: Vec<u64> = told.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!((1..4_096).contains(&bytes[0]) && (1..1_024).contains(&bytes[1]), "{told}");
}
