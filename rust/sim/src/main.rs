//! `cargo run --release -p junctor-sim -- figures 100` prints the figures of the specification over so many seeds;
//! `random 10000 [first]` looks for a broken promise in so many made-up worlds; `hash SEED` prints a world's decision log;
//! `memory` what a deployment and an attempt under way take, by what the system says of this process (Linux).

use std::process::ExitCode;

use junctor_core::request::Request;
use junctor_core::router::Router;
use junctor_core::spec::FleetSpec;
use junctor_core::units::Nanos;
use junctor_sim::{random, suite};
use serde_json::json;

/// Figures are measured on seeds from here on; tests use smaller ones.
const FIRST_FIGURE_SEED: u64 = 1_000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: u64| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(otherwise);
    match words.first().map(String::as_str) {
        Some("figures") => figures(number(1, 40)),
        Some("random") => explore(number(1, 10_000), number(2, 0)),
        Some("hash") => hash(number(1, 1)),
        Some("memory") => memory(),
        _ => {
            eprintln!("junctor-sim: say figures [SEEDS], random [WORLDS] [FIRST], hash SEED, or memory");
            ExitCode::from(2)
        }
    }
}

fn figures(count: u64) -> ExitCode {
    let seeds: Vec<u64> = (FIRST_FIGURE_SEED..FIRST_FIGURE_SEED + count).collect();
    let mut broken = 0;
    let rows = suite::rows(&seeds, &mut |seed, what| {
        broken += 1;
        eprintln!("seed {seed}: {what}");
    });
    println!("{}", suite::heading(seeds.len()));
    rows.iter().for_each(|row| println!("{}", row.line()));
    println!("{broken} promises broken");
    if broken == 0 && rows.iter().all(suite::Row::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn explore(count: u64, first: u64) -> ExitCode {
    let (mut broken, mut attempts, mut checks) = (0, 0, 0);
    for seed in first..first.saturating_add(count) {
        match random::run(seed) {
            Ok(world) => {
                attempts += world.attempts.len();
                checks += world.ledger.checks;
                broken += world.ledger.breached;
                world.ledger.breaches.iter().for_each(|what| println!("seed {seed}: {what}"));
            }
            Err(error) => {
                broken += 1;
                println!("seed {seed}: {error}");
            }
        }
    }
    println!("{count} worlds, {attempts} attempts, {checks} checks of what is in flight: {broken} promises broken");
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn hash(seed: u64) -> ExitCode {
    match random::run(seed) {
        Ok(world) => {
            println!("{:016x}", world.log_hash);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("junctor-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Deployments and attempts that are made to see what one of them takes.
const MANY: usize = 20_000;

fn memory() -> ExitCode {
    let names: Vec<String> = (0..MANY).map(|at| format!("deployment-{at}")).collect();
    let limits = json!([{"dimension": "rpm", "limit": 1_000_000}, {"dimension": "tpm", "limit": 1_000_000_000}]);
    let own = |name: &String| json!({"name": name, "limits": limits});
    let made = |name: &String| json!({"name": name, "provider": "acme", "model": "acme/one", "pools": [name]});
    let whole = json!({"pools": names.iter().map(own).collect::<Vec<_>>(),
                       "deployments": names.iter().map(made).collect::<Vec<_>>(),
                       "groups": [{"name": "all", "members": names}]});
    let Ok(spec) = serde_json::from_value::<FleetSpec>(whole) else { return ExitCode::FAILURE };
    let before = resident();
    let Ok(router) = Router::new(&spec) else { return ExitCode::FAILURE };
    // A page counts once it is written to: every deployment serves one attempt, and all are under way at once.
    let mut under_way = Vec::with_capacity(MANY);
    let fleet = resident();
    for (at, name) in names.iter().enumerate() {
        let request = Request { model: name, input_tokens: 100, ..Request::default() };
        if let Ok(made) = router.reserve(&request, Nanos::from_millis(at as u64), at as u64) {
            under_way.push(made);
        }
    }
    let all = resident();
    let of_one = |from: u64, to: u64| to.saturating_sub(from) / MANY as u64;
    println!(
        "{} bytes per deployment with two limits, {} per attempt under way",
        of_one(before, fleet),
        of_one(fleet, all)
    );
    if under_way.len() == MANY { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Bytes of this process that are in memory; 0 where the system does not tell.
fn resident() -> u64 {
    let told = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = told.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    pages * 4_096
}
