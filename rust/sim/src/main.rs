//! `cargo run --release -p junctor-sim -- figures 100` prints the figures of the specification over so many seeds;
//! `random 10000 [first]` looks for a broken promise in so many made-up worlds; `hash SEED` prints a world's decision log.

use std::process::ExitCode;

use junctor_sim::{random, suite};

/// Figures are measured on seeds from here on; tests use smaller ones.
const FIRST_FIGURE_SEED: u64 = 1_000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: u64| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(otherwise);
    match words.first().map(String::as_str) {
        Some("figures") => figures(number(1, 40)),
        Some("random") => explore(number(1, 10_000), number(2, 0)),
        Some("hash") => hash(number(1, 1)),
        _ => {
            eprintln!("junctor-sim: say figures [SEEDS], random [WORLDS] [FIRST], or hash SEED");
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
