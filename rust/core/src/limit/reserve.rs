//! Taking from several buckets: all or nothing.
//!
//! **Problem.** One request needs room in requests per minute, input tokens, output tokens and a daily limit at once.
//! If the last of them refuses, the others must be as if nobody had asked: a router that keeps the request it charged
//! for a call it never made refuses good traffic for nothing.
//!
//! **Choice.** Look at all of them first; only if each would give, take, one exchange each, in the order in which they
//! are wanted. Should one refuse after all, because somebody was faster, undo in reverse. An undo swaps the old word
//! back in if nobody came between, so the bits are what they were, and subtracts otherwise.
//!
//! *Why in that order.* All who want the same buckets take them in the same order, so of any number of them that have
//! room for one, one gets it: whoever is refused at a bucket is refused by one who is further, and the furthest by nobody.
//!
//! **Rejected.** The fullest bucket first, so that a refusal has the least to undo: how full they are changes between two
//! looks, so two callers took in opposite orders, each refused the other, and room for one was given to none. A model
//! found it (docs/decisions/021). A lock over the group: two groups share a bucket, so it would be one lock for all. A
//! multi-word transaction: a descriptor and help protocol for a race whose worst case is that a neighbour waits some
//! microseconds for capacity that was about to be given back.
//!
//! **Cost.** Between a take and its undo another caller can be refused although there was room for it: one who wants
//! other buckets besides, or, being of another deployment, the same ones in another order. The running totals are counted
//! after the last take, so an undo need not touch them.

use arrayvec::ArrayVec;

use super::Denied;
use super::bucket::{Bucket, Grab, Held};
use crate::units::Nanos;

/// Dimensions of one deployment's limits. Providers have at most six (requests, input, output and total tokens per
/// minute, requests and tokens per day); two more for an operator's own.
pub const MAX_HOLDS: usize = 8;

/// Takes every amount from its bucket, or nothing from any. Element `i` of the result was taken from `wanted[i]`.
///
/// # Errors
/// The place of the bucket that refuses longest and its refusal; waiting for a sooner one would be useless. More than
/// [`MAX_HOLDS`] buckets are refused with [`Denied::Never`].
///
/// ```
/// use junctor_core::limit::{hold_all, Bucket, Denied, Quota, BUCKET_WORDS};
/// use junctor_core::{sync::AtomicU64, units::Nanos};
///
/// let words: [[AtomicU64; BUCKET_WORDS]; 2] = Default::default();
/// let requests = Quota::paced(60, Nanos::from_secs(60), None)?;
/// let tokens = Quota::paced(6_000, Nanos::from_secs(60), None)?;
/// let (requests, tokens) = (Bucket::new(&requests, &words[0]), Bucket::new(&tokens, &words[1]));
/// let now = Nanos::from_secs(1);
///
/// let held = hold_all(&[(requests, 1), (tokens, 800)], now).expect("both have room");
/// assert_eq!(held.len(), 2);
/// let (place, _) = hold_all(&[(requests, 1), (tokens, 800)], now).expect_err("200 tokens are left");
/// assert_eq!((place, requests.headroom(now)), (1, 9));
/// # Ok::<(), junctor_core::limit::QuotaError>(())
/// ```
pub fn hold_all(wanted: &[(Bucket<'_>, u64)], now: Nanos) -> Result<ArrayVec<Held, MAX_HOLDS>, (usize, Denied)> {
    let mut held = ArrayVec::new();
    hold_all_in(&mut held, wanted, now).map(|()| held)
}

/// The same, written where it stays. `held` comes in empty, and is left so on a refusal.
#[inline]
pub(crate) fn hold_all_in(
    held: &mut ArrayVec<Held, MAX_HOLDS>,
    wanted: &[(Bucket<'_>, u64)],
    now: Nanos,
) -> Result<(), (usize, Denied)> {
    if wanted.len() > MAX_HOLDS {
        return Err((MAX_HOLDS, Denied::Never));
    }
    let mut grabs = ArrayVec::new();
    if see_all(&mut grabs, wanted, now) {
        take_as_seen(&mut grabs, wanted, now)?;
    } else {
        grabs = take_slowly(wanted, now)?;
    }
    held.extend(wanted.iter().zip(&grabs).map(|((bucket, n), grab)| bucket.keep(grab, *n)));
    Ok(())
}

/// What has been taken of each bucket, or will be.
type Grabs = ArrayVec<Grab, MAX_HOLDS>;

/// Whether all have plainly room; then `grabs` is what each would give. Nothing is written before that is known.
#[inline]
fn see_all(grabs: &mut Grabs, wanted: &[(Bucket<'_>, u64)], now: Nanos) -> bool {
    wanted.iter().all(|(bucket, n)| bucket.plainly(*n, now).is_some_and(|grab| grabs.try_push(grab).is_ok()))
}

/// Takes what was seen; somebody may have been faster at one of them.
#[inline]
fn take_as_seen(grabs: &mut Grabs, wanted: &[(Bucket<'_>, u64)], now: Nanos) -> Result<(), (usize, Denied)> {
    for (place, ((bucket, n), grab)) in wanted.iter().zip(grabs.iter_mut()).enumerate() {
        if let Err(denied) = bucket.grab_as_seen(grab, *n, now) {
            undo(wanted.iter().zip(&*grabs).take(place).rev());
            return Err(longest_refusal(wanted, now).unwrap_or((place, denied)));
        }
    }
    Ok(())
}

/// Takes whatever way each bucket needs, once all of them would give.
#[inline(never)]
fn take_slowly(wanted: &[(Bucket<'_>, u64)], now: Nanos) -> Result<Grabs, (usize, Denied)> {
    if let Some(refusal) = longest_refusal(wanted, now) {
        return Err(refusal);
    }
    let mut grabs = Grabs::new();
    for (place, (bucket, n)) in wanted.iter().enumerate() {
        match bucket.grab(*n, now) {
            Ok(grab) => grabs.push(grab),
            Err(denied) => {
                undo(wanted.iter().zip(&grabs).rev());
                return Err(longest_refusal(wanted, now).unwrap_or((place, denied)));
            }
        }
    }
    Ok(grabs)
}

#[cold]
fn undo<'w, 'b: 'w>(taken: impl Iterator<Item = (&'w (Bucket<'b>, u64), &'w Grab)>) {
    taken.for_each(|((bucket, n), grab)| bucket.undo(grab, *n));
}

/// The refusal that lasts longest: what a caller has to wait for.
#[cold]
fn longest_refusal(wanted: &[(Bucket<'_>, u64)], now: Nanos) -> Option<(usize, Denied)> {
    let mut worst: Option<(usize, Denied)> = None;
    for (place, (bucket, n)) in wanted.iter().enumerate() {
        if let Err(denied) = bucket.peek(*n, now) {
            worst = Some(match worst {
                Some(earlier) if earlier.1.or_later(denied) == earlier.1 => earlier,
                _ => (place, denied),
            });
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{BUCKET_WORDS, Calendar, Quota};
    use crate::sync::{AtomicU64, Ordering};

    const MINUTE: Nanos = Nanos::from_secs(60);
    const T: Nanos = Nanos::from_secs(1_000);
    type Words = [AtomicU64; BUCKET_WORDS];

    fn bits(words: &[Words]) -> Vec<u64> {
        words.iter().flatten().map(|word| word.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn when_the_second_limit_refuses_the_first_is_restored_to_the_bit() {
        let words: [Words; 4] = Default::default();
        let quotas = [
            Quota::paced(60, MINUTE, None).unwrap(),
            Quota::calendar(50, Calendar::utc(0)).unwrap(),
            Quota::concurrency(40).unwrap(),
            Quota::paced(6_000, MINUTE, None).unwrap(),
        ];
        let buckets: Vec<_> = quotas.iter().zip(&words).map(|(quota, words)| Bucket::new(quota, words)).collect();
        let wanted = |tokens| [(buckets[0], 1), (buckets[1], 1), (buckets[2], 1), (buckets[3], tokens)];
        // An old TAT and an old day: a roll-back that subtracts would leave newer ones.
        drop(hold_all(&wanted(900), T));
        let (before, later) = (bits(&words), T + Nanos::from_secs(200_000));
        assert_eq!(hold_all(&wanted(6_001), later).unwrap_err(), (3, Denied::Never));
        assert_eq!(bits(&words), before);
        // The same past the survey: take three, then undo them as a lost race would.
        let grabs: Vec<_> = buckets[..3].iter().map(|bucket| (bucket, bucket.grab(1, later).unwrap())).collect();
        assert_ne!(bits(&words), before);
        grabs.iter().rev().for_each(|(bucket, grab)| bucket.undo(grab, 1));
        assert_eq!(bits(&words), before);
    }

    #[test]
    fn an_undo_after_interference_leaves_what_the_other_took() {
        let words: [Words; 1] = Default::default();
        let quota = Quota::paced(60, MINUTE, None).unwrap();
        let bucket = Bucket::new(&quota, &words[0]);
        let grab = bucket.grab(3, T).unwrap();
        drop(bucket.take(2, T));
        bucket.undo(&grab, 3);
        assert_eq!(bucket.headroom(T), 8);
    }

    #[test]
    fn one_bucket_named_twice_is_charged_twice_or_not_at_all() {
        let words: [Words; 1] = Default::default();
        let quota = Quota::paced(60, MINUTE, None).unwrap();
        let bucket = Bucket::new(&quota, &words[0]);
        assert_eq!(hold_all(&[(bucket, 6), (bucket, 4)], T).map(|held| held.len()), Ok(2));
        let (later, before) = (T + MINUTE, bits(&words));
        assert!(hold_all(&[(bucket, 4); 3], later).is_err(), "the survey passes, the third take does not");
        assert_eq!(bits(&words), before, "undone in reverse: the last take first");
    }

    #[test]
    fn the_longest_refusal_is_reported() {
        let words: [Words; 2] = Default::default();
        let (fast, slow) = (Quota::paced(60, MINUTE, None).unwrap(), Quota::paced(6, MINUTE, None).unwrap());
        let (fast, slow) = (Bucket::new(&fast, &words[0]), Bucket::new(&slow, &words[1]));
        drop(hold_all(&[(fast, 10), (slow, 1)], T));
        let ten_seconds = Denied::NotUntil(T + Nanos::from_secs(10));
        assert_eq!(hold_all(&[(slow, 1), (fast, 1)], T).unwrap_err(), (0, ten_seconds));
        assert_eq!(hold_all(&[(fast, 1), (slow, 1)], T).unwrap_err(), (1, ten_seconds));
        assert_eq!(hold_all(&[(fast, 61), (slow, 1)], T).unwrap_err(), (0, Denied::Never));
    }

    #[test]
    fn more_than_eight_limits_are_refused_and_none_is_granted() {
        let words: [Words; 1] = Default::default();
        let quota = Quota::concurrency(100).unwrap();
        let bucket = Bucket::new(&quota, &words[0]);
        assert_eq!(hold_all(&[(bucket, 1); 9], T).unwrap_err(), (MAX_HOLDS, Denied::Never));
        assert_eq!(hold_all(&[(bucket, 1); 8], T).map(|held| held.len()), Ok(8));
        assert_eq!(hold_all(&[], T).map(|held| held.len()), Ok(0));
    }
}
