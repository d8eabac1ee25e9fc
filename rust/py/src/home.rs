//! Where a router's state lives: in a segment that the processes of a host share, or in this process alone.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use junctor_core::draw::identity;
use junctor_core::fleet::FleetError;
use junctor_core::process::sweep;
use junctor_core::router::Router as Core;
use junctor_core::spec::FleetSpec;
use junctor_core::state::State;
use junctor_core::units::Nanos;
use junctor_segment::{Attached, Place, attach, generation, user};
use serde::Serialize;

use crate::clock::Clock;

/// Beside a generation: a forked child is on its way to a seat of its own. With the generation, so that a child forked in
/// the middle of its parent's move knows that nobody moves it.
const MOVING: u64 = 1 << 63;

/// The place of a state, and how to get to it again after a fork.
pub struct Home {
    /// Where to share it; nothing for a state of this process alone.
    place: ArcSwapOption<Place>,
    /// The user for whom that is the place.
    user: AtomicU32,
    /// The fleet in force, to be compiled over another state.
    spec: ArcSwap<FleetSpec>,
    /// The generation of the process that sits in it.
    born: AtomicU64,
    /// When it was last seen whether the segment is still there.
    looked: AtomicU64,
    found: ArcSwap<Found>,
}

/// How it went.
#[derive(Debug, Default)]
struct Found {
    path: Option<PathBuf>,
    why_private: Option<String>,
}

/// Where the state is, for snapshots.
#[derive(Serialize)]
pub struct HomeRecord {
    /// Whether other processes share it.
    shared: bool,
    /// The segment's file.
    segment: Option<String>,
    /// Why it is not shared although it should be.
    why_private: Option<String>,
    /// How many more attempts in flight the host can keep account of beyond what its processes have room for; nothing
    /// where nobody shares the state.
    free_cells: Option<usize>,
}

impl Home {
    /// A core over the state at `place`, or over one of its own if there is none or it cannot be shared.
    pub fn open(mut spec: FleetSpec, place: Option<Place>, clock: &Clock) -> Result<(Core, Self), FleetError> {
        let wall_at_zero = spec.wall_epoch_s - seconds(clock.zero());
        let (core, found) = over_place(&mut spec, place.as_ref(), clock, wall_at_zero)?;
        let born = AtomicU64::new(generation().load(Ordering::Relaxed));
        let (place, user) = (ArcSwapOption::from_pointee(place), AtomicU32::new(user()));
        let (spec, found) = (ArcSwap::from_pointee(spec), ArcSwap::from_pointee(found));
        Ok((core, Self { place, user, spec, born, looked: AtomicU64::new(clock.now().0), found }))
    }

    /// Whether this process was forked since: then a shared state is its parent's.
    #[inline]
    pub fn is_left(&self) -> bool {
        generation().load(Ordering::Relaxed) != self.born.load(Ordering::Acquire)
    }

    /// Whether the state is to be shared, but in another user's directory: a server's workers may have given up its rights.
    pub fn is_another_users(&self) -> bool {
        self.place.load().is_some() && self.user.load(Ordering::Relaxed) != user()
    }

    /// From the next seat on, share in this directory.
    pub fn share_in(&self, directory: PathBuf) {
        if let Some(place) = &*self.place.load() {
            self.place.store(Some(Arc::new(Place { directory, fleet: place.fleet.clone() })));
            self.user.store(user(), Ordering::Relaxed);
        }
    }

    /// Takes a seat of its own for a forked child; whoever comes while another thread does so waits for it.
    ///
    /// Answers whether this was the thread that did it.
    #[cold]
    pub fn come_home(&self, core: &Core, clock: &Clock) -> bool {
        let now = generation().load(Ordering::Relaxed);
        let before = self.born.load(Ordering::Acquire);
        before != now && self.move_from(before, core, clock)
    }

    /// Once a second: whether somebody has removed the segment, so that those who start now would count apart.
    #[inline]
    pub fn is_removed(&self, core: &Core, now: Nanos) -> bool {
        let looked = self.looked.load(Ordering::Relaxed);
        now.since(Nanos(looked)) >= sweep::EVERY
            && self.looked.compare_exchange(looked, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            && !core.state().is_found()
    }

    /// Meets the others again in the segment that is there now, or is made. Attempts in flight end where they began.
    ///
    /// Answers whether this was the thread that did it.
    #[cold]
    pub fn move_on(&self, core: &Core, clock: &Clock) -> bool {
        self.move_from(generation().load(Ordering::Relaxed), core, clock)
    }

    fn move_from(&self, before: u64, core: &Core, clock: &Clock) -> bool {
        let now = generation().load(Ordering::Relaxed);
        let moving = now | MOVING;
        let mine =
            before != moving && self.born.compare_exchange(before, moving, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if mine {
            if let Some(place) = &*self.place.load() {
                let mut spec = FleetSpec::clone(&self.spec.load());
                let wall_at_zero = spec.wall_epoch_s - seconds(clock.zero());
                let found = move_to_place(core, &mut spec, place, clock, wall_at_zero);
                self.spec.store(Arc::new(spec));
                self.found.store(Arc::new(found));
            }
            self.looked.store(clock.now().0, Ordering::Relaxed);
            self.born.store(now, Ordering::Release);
        }
        while self.born.load(Ordering::Acquire) == moving {
            std::thread::yield_now();
        }
        mine
    }

    /// Adopts a changed fleet.
    pub fn reload(&self, core: &Core, mut spec: FleetSpec, clock: &Clock) -> Result<(), FleetError> {
        let state = core.state();
        spec.wall_epoch_s = state.agree_on_wall(spec.wall_epoch_s);
        core.reload(&spec, clock.now())?;
        state.adopt_config(config(&spec.config_hash));
        self.spec.store(Arc::new(spec));
        Ok(())
    }

    /// For snapshots.
    pub fn record(&self, state: &State) -> HomeRecord {
        let found = self.found.load();
        HomeRecord {
            shared: state.is_shared(),
            segment: found.path.as_ref().map(|path| path.display().to_string()),
            why_private: found.why_private.clone(),
            free_cells: state.is_shared().then(|| state.free_cells()),
        }
    }

    /// Why the state is not shared although it should be.
    pub fn why_private(&self) -> Option<String> {
        self.found.load().why_private.clone()
    }
}

/// A configuration as one word of the shared state: the hash itself, if it is sixteen hexadecimal digits as ours are.
pub fn config(hash: &str) -> u64 {
    u64::from_str_radix(hash, 16).unwrap_or_else(|_| identity(&["config", hash]))
}

/// Seconds of a monotonic time, as wall times are counted.
pub fn seconds(time: Nanos) -> i64 {
    i64::try_from(time.0 / 1_000_000_000).unwrap_or(i64::MAX)
}

fn over_place(
    spec: &mut FleetSpec,
    place: Option<&Place>,
    clock: &Clock,
    wall_at_zero: i64,
) -> Result<(Core, Found), FleetError> {
    let Some(place) = place else { return Ok((Core::new(spec)?, Found::default())) };
    let why = match attach(place, spec.room()) {
        Ok(attached) => match compile_over(spec, &attached, clock, wall_at_zero, Core::over) {
            Ok(core) => return Ok((core, Found { path: Some(attached.path), why_private: None })),
            // Full of other fleets' records: not this fleet's fault.
            Err(FleetError::TooMany { .. }) => format!("{} is full of other fleets' records", attached.path.display()),
            Err(error) => return Err(error),
        },
        Err(unshared) => unshared.to_string(),
    };
    spec.wall_epoch_s = wall_at_zero + seconds(clock.zero());
    // A fleet that is itself too large fails here again.
    Ok((Core::new(spec)?, Found { path: None, why_private: Some(why) }))
}

/// The same for a core that exists; it keeps working whatever happens.
fn move_to_place(core: &Core, spec: &mut FleetSpec, place: &Place, clock: &Clock, wall_at_zero: i64) -> Found {
    let why = match attach(place, spec.room()) {
        Ok(attached) => {
            match compile_over(spec, &attached, clock, wall_at_zero, |spec, state| core.move_to(spec, &state)) {
                Ok(()) => return Found { path: Some(attached.path), why_private: None },
                Err(error) => error.to_string(),
            }
        }
        Err(unshared) => unshared.to_string(),
    };
    let private = Arc::new(State::on_heap(spec.room().twice()));
    // It was compiled before over a state of this size.
    let _ = core.move_to(spec, &private);
    Found { path: None, why_private: Some(why) }
}

fn compile_over<T>(
    spec: &mut FleetSpec,
    attached: &Attached,
    clock: &Clock,
    wall_at_zero: i64,
    over: impl FnOnce(&FleetSpec, Arc<State>) -> Result<T, FleetError>,
) -> Result<T, FleetError> {
    let before = clock.zero();
    clock.begin_at(attached.epoch);
    spec.wall_epoch_s = attached.state.agree_on_wall(wall_at_zero + seconds(attached.epoch));
    let made = over(spec, Arc::clone(&attached.state));
    match &made {
        Ok(_) => attached.state.adopt_config(config(&spec.config_hash)),
        Err(_) => clock.begin_at(before),
    }
    made
}
