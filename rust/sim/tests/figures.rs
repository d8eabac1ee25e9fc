//! The specification's C10 to C16 on the real engine. `cargo run --release -p junctor-sim -- figures 300` prints them.

use junctor_sim::suite;

#[test]
fn the_figures_of_the_specification_hold_over_thirty_seeds() {
    let seeds: Vec<u64> = (1..=30).collect();
    let mut breaches = Vec::new();
    let rows = suite::rows(&seeds, &mut |seed, what| breaches.push(format!("seed {seed}: {what}")));
    println!("{}", suite::heading(seeds.len()));
    rows.iter().for_each(|row| println!("{}", row.line()));
    assert_eq!(breaches, [""; 0]);
    let worse: Vec<String> = rows.iter().filter(|row| !row.holds()).map(suite::Row::line).collect();
    assert_eq!(worse, [""; 0]);
    let goals = ["C10", "C11", "C12", "C13", "C14", "C15", "C16"];
    assert!(goals.iter().all(|goal| rows.iter().any(|row| row.goal == *goal)), "each goal has a row");
    assert!(rows.iter().all(|row| row.figures.len() == seeds.len()));
}
