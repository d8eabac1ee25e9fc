//! The specification's figures C10 to C16 on the real engine, over many seeds that no constant was chosen on.
//!
//! Each figure is measured in every seed's world and judged by its median and its worst seed: the median is what the
//! goal speaks of, the worst what a reader may meet. Where the engine falls short of a goal the row says so, and is held
//! to what it reaches, so that it cannot get worse unseen.

use junctor_core::outcome::Ending;

use crate::fault::Fault;
use crate::figures::quantile;
use crate::scenario::{FAIR, Ten, outage};
use crate::world::World;

/// One figure over all seeds.
#[derive(Clone, Debug)]
pub struct Row {
    /// The row of the specification.
    pub goal: &'static str,
    /// What was measured.
    pub what: &'static str,
    /// The goal, as most of it.
    pub target: f64,
    /// What it is held to: the goal, or what is reached where that falls short.
    pub bound: f64,
    /// Which part of the seeds must keep the bound: the median, or all.
    pub part: Part,
    /// The figure of each seed.
    pub figures: Vec<f64>,
}

/// Which of the seeds are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The one in the middle: a figure that one draw moves, such as the first half second without a call.
    Median,
    /// Every one.
    All,
    /// All of them together: a rate of rare events.
    Mean,
}

impl Row {
    /// The figure in the middle.
    #[must_use]
    pub fn median(&self) -> f64 {
        quantile(self.figures.clone(), 0.5)
    }

    /// The worst figure.
    #[must_use]
    pub fn worst(&self) -> f64 {
        self.figures.iter().copied().fold(f64::MIN, f64::max)
    }

    /// The figure that is judged.
    #[must_use]
    pub fn judged(&self) -> f64 {
        match self.part {
            Part::Median => self.median(),
            Part::All => self.worst(),
            Part::Mean => self.figures.iter().sum::<f64>() / self.figures.len().max(1) as f64,
        }
    }

    /// Whether it is what it is held to.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.judged() <= self.bound
    }

    /// Whether it is what the specification asks for.
    #[must_use]
    pub fn meets_its_goal(&self) -> bool {
        self.judged() <= self.target
    }

    /// One line: the row, the figure, its goal.
    #[must_use]
    pub fn line(&self) -> String {
        let word = if self.meets_its_goal() { "" } else { "  FALLS SHORT" };
        let (median, worst, target) = (self.median(), self.worst(), self.target);
        format!("{:<4} {:<62} {median:>9.4} {worst:>9.4}  ≤ {target}{word}", self.goal, self.what)
    }
}

/// The heading of the lines.
#[must_use]
pub fn heading(seeds: usize) -> String {
    format!("{:<4} {:<62} {:>9} {:>9}  goal, over {seeds} seeds", "", "", "median", "worst")
}

const FAST: Fault = Fault::Errors { after_s: 0.02, share: 1.0 };
const HALF: Fault = Fault::Errors { after_s: 0.02, share: 0.5 };

/// Where chance must be small beside what is measured: 54,000 calls, or 3,000 of a slow trickle.
const LONG_S: f64 = 1_000.0;

/// All figures over these seeds; `breach` is told what the ledger found, which is nothing.
pub fn rows(seeds: &[u64], breach: &mut dyn FnMut(u64, &str)) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for &seed in seeds {
        for (at, (row, figure)) in one(seed, breach).into_iter().enumerate() {
            if rows.len() == at {
                rows.push(row);
            }
            rows[at].figures.push(figure);
        }
    }
    rows
}

const fn row(goal: &'static str, what: &'static str, target: f64, part: Part) -> Row {
    Row { goal, what, target, bound: target, part, figures: Vec::new() }
}

/// A row whose goal is not reached, and what it is held to instead.
fn short(goal: &'static str, what: &'static str, target: f64, bound: f64, part: Part) -> Row {
    Row { bound, ..row(goal, what, target, part) }
}

fn one(seed: u64, breach: &mut dyn FnMut(u64, &str)) -> Vec<(Row, f64)> {
    let mut run = |ten: Ten| {
        let world = ten.run(seed);
        world.ledger.breaches.iter().for_each(|what| breach(seed, what));
        world
    };
    let plain = Ten { span_s: (60.0, 130.0), seconds: 140.0, ..Ten::default() };
    let ailing = |fault| Ten { fault: Some(fault), ..plain };
    let hedged = |fault, per_s| Ten { fault, per_s, hedge: true, ..plain };
    let mut rows = Vec::new();

    let healthy = run(Ten { seconds: LONG_S, ..plain });
    rows.push((row("C14", "healthy: share elsewhere than the weights say", 0.06, Part::Median), misplaced(&healthy)));
    let throttled = healthy.share_of_429(0.0, LONG_S);
    rows.push((row("C15", "right limits: share of the attempts answered 429", 0.001, Part::Mean), throttled));

    let fast = run(ailing(FAST));
    rows.push((
        row("C10", "fast errors: share of calls failed in the first 10 s", 0.001, Part::Mean),
        fast.failures(60.0, 70.0),
    ));
    rows.push((
        row("C10", "fast errors: share of calls failed afterwards", 0.0, Part::All),
        fast.failures(70.0, 130.0),
    ));
    rows.push((row("C10", "fast errors: attempts wasted before it opens", 20.0, Part::All), wasted(&fast)));
    rows.push((row("C11", "fast errors: seconds to shift", 2.0, Part::Median), fast.time_to_shift(0, 60.0, FAIR)));
    rows.push((row("C13", "fast errors: most of a fair share elsewhere", 2.0, Part::All), herd(&fast)));

    let half = run(ailing(HALF));
    rows.push((
        short("C11", "half errors: seconds to shift", 2.0, 2.5, Part::Median),
        half.time_to_shift(0, 60.0, FAIR),
    ));
    let slow = run(ailing(Fault::Slow(8.0)));
    rows.push((row("C11", "8 times slower: seconds to shift", 4.0, Part::Median), slow.time_to_shift(0, 60.0, FAIR)));
    rows.push((row("C13", "8 times slower: most of a fair share elsewhere", 2.0, Part::All), herd(&slow)));
    let hung = run(ailing(Fault::Hangs));
    rows.push((row("C11", "hanging: seconds to shift", 5.0, Part::Median), hung.time_to_shift(0, 60.0, FAIR)));
    rows.push((row("C13", "hanging: most of a fair share elsewhere", 2.0, Part::All), herd(&hung)));
    let throttling = run(ailing(Fault::Throttles { after_s: 0.005, hint_s: None }));
    let own = throttling.share(0, 60.0, 130.0) / FAIR;
    rows.push((row("C13", "429 at once: most of a fair share, anywhere", 2.0, Part::All), herd(&throttling).max(own)));

    let cut = run(ailing(Fault::Quota(0.2)));
    rows.push((row("C15", "quota cut to a fifth: 429s after 30 s", 0.002, Part::Mean), cut.share_of_429(90.0, 130.0)));

    let calm = run(hedged(None, 54.0));
    let hedging = run(hedged(Some(Fault::Hangs), 54.0));
    let times = hedging.p99_s(60.0, 130.0) / calm.p99_s(60.0, 130.0);
    rows.push((row("C12", "one hangs, hedges: p99 of first content, times healthy", 1.5, Part::Median), times));
    rows.push((row("C12", "one hangs, hedges: extra attempts", 0.05, Part::All), hedges(&hedging)));

    let trickle = |fault| Ten { span_s: (60.0, LONG_S), seconds: LONG_S, ..hedged(fault, 5.0) };
    let (calm, hedging) = (run(trickle(None)), run(trickle(Some(Fault::Hangs))));
    let times = hedging.p99_s(60.0, LONG_S) / calm.p99_s(60.0, LONG_S);
    rows.push((short("C12", "the same at 5 calls a second", 1.5, 2.2, Part::Median), times));
    let busy = |fault| hedged(fault, 76.5);
    let times = run(busy(Some(Fault::Hangs))).p99_s(60.0, 130.0) / run(busy(None)).p99_s(60.0, 130.0);
    rows.push((row("C12", "the same at 85 % load", 1.5, Part::Median), times));

    let out = outage(seed, 300, 60.0, 10.0);
    let (calls, attempts) = (out.calls.len() as f64, out.attempts.len() as f64);
    // A fresh purse holds thirty: what ten quiet seconds leave in it.
    rows.push((
        row("C16", "all down: attempts per call, the fresh purse's thirty aside", 1.2, Part::All),
        (attempts - 30.0) / calls,
    ));
    rows.push((row("C16", "one hangs, 5 calls a second: hedges per call", 0.05, Part::All), hedges(&hedging)));
    out.ledger.breaches.iter().for_each(|what| breach(seed, what));
    rows
}

/// Traffic that is elsewhere than the weights say, with latency counting.
fn misplaced(world: &World) -> f64 {
    let fleet = world.router.fleet();
    let whole: f64 = fleet.deployments.iter().map(|deployment| deployment.weight).sum();
    let off = |at: usize| (world.share(at, 20.0, LONG_S) - fleet.deployments[at].weight / whole).abs();
    (0..fleet.deployments.len()).map(off).sum::<f64>() / 2.0
}

/// The largest share of one of the healthy while the first ails, as a multiple of its fair one.
fn herd(world: &World) -> f64 {
    let fleet = world.router.fleet();
    let whole: f64 = fleet.deployments.iter().map(|deployment| deployment.weight).sum();
    let times = |at: usize| world.share(at, 60.0, 130.0) / (fleet.deployments[at].weight / whole);
    (1..fleet.deployments.len()).map(times).fold(0.0, f64::max)
}

/// Attempts that the first failed before its breaker let a probe through.
fn wasted(world: &World) -> f64 {
    let failed = |attempt: &&crate::Attempt| attempt.provider == 0 && matches!(attempt.ending, Some(Ending::Failed(_)));
    world.between(60.0, 89.0).filter(failed).count() as f64
}

fn hedges(world: &World) -> f64 {
    let made = world.attempts.iter().filter(|attempt| attempt.hedge).count();
    made as f64 / world.calls.len().max(1) as f64
}
