//! A file that is not exactly as it was made is refused or harmless: 100,000 of them, a part of them attached to for real.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{Folder, NEEDED};
use junctor_core::draw::Draw;
use junctor_segment::header::{HEADER_BYTES, Header, Here};
use junctor_segment::{Place, attach};

const MUTANTS: u64 = 100_000;
/// Every so many a whole file is written and attached to: that takes a hundred times as long as reading a header.
const ATTACHED_EVERY: u64 = 100;
/// Bytes of the header that mean something.
const MEANT: usize = 96;

/// Damages `bytes` in one of the ways in which files are damaged; answers whether anything that means something differs.
fn damage(bytes: &mut Vec<u8>, draw: &mut Draw) -> bool {
    let before = bytes[..MEANT].to_vec();
    let length = bytes.len();
    match draw.below(6) {
        0 => (0..=draw.below(8)).for_each(|_| bytes[draw.below(MEANT as u64) as usize] ^= 1 << draw.below(8)),
        1 => (0..=draw.below(8)).for_each(|_| bytes[draw.below(MEANT as u64) as usize] = draw.below(256) as u8),
        2 => {
            let field = 8 * draw.below(MEANT as u64 / 8) as usize;
            let value = [0, 1, u64::MAX, 1 << 63, 1 << 20, draw.next_u64()][draw.below(6) as usize];
            bytes[field..field + 8].copy_from_slice(&value.to_le_bytes());
        }
        3 => bytes.truncate(draw.below(length as u64) as usize),
        4 => bytes[..draw.below(HEADER_BYTES as u64) as usize].fill(draw.below(2) as u8 * 255),
        _ => bytes.extend((0..=draw.below(9_000)).map(|_| 7)),
    }
    bytes.len() != length || bytes[..MEANT] != before
}

#[test]
fn whatever_is_wrong_with_a_file_it_is_refused_and_nothing_crashes() {
    let folder = Folder::new("damaged");
    let place = Place { directory: folder.path.clone(), fleet: "f".into() };
    let path = attach(&place, NEEDED).unwrap().path;
    let whole = fs::read(&path).unwrap();
    let [low, high, time_namespace] = [24, 32, 48].map(|at| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap()));
    let here = Here { boot: u128::from(high) << 64 | u128::from(low), time_namespace };
    assert!(Header::read(&whole[..HEADER_BYTES], &here).is_ok());
    let mut attached = 0;
    for seed in 0..MUTANTS {
        let mut draw = Draw::new(seed);
        let on_disk = seed % ATTACHED_EVERY == 0;
        let mut bytes = if on_disk { whole.clone() } else { whole[..HEADER_BYTES].to_vec() };
        let differs = damage(&mut bytes, &mut draw);
        let read = Header::read(&bytes, &here);
        let header_differs = bytes.get(..MEANT) != Some(&whole[..MEANT]);
        assert_eq!(read.is_err(), header_differs, "mutant {seed}");
        if on_disk {
            fs::write(&path, &bytes).unwrap();
            assert_eq!(attach(&place, NEEDED).is_err(), differs, "mutant {seed}");
            attached += 1;
        }
    }
    assert_eq!(attached, MUTANTS / ATTACHED_EVERY);
    fs::write(&path, &whole).unwrap();
    assert!(attach(&place, NEEDED).is_ok(), "the whole one again");
}

#[test]
fn words_that_mean_nothing_are_never_a_crash() {
    let folder = Folder::new("nonsense");
    let place = Place { directory: folder.path.clone(), fleet: "f".into() };
    let path = attach(&place, NEEDED).unwrap().path;
    let mut bytes = fs::read(&path).unwrap();
    for seed in 0..20 {
        let mut draw = Draw::new(seed);
        bytes[HEADER_BYTES..]
            .chunks_mut(8)
            .for_each(|word| word.copy_from_slice(&draw.next_u64().to_le_bytes()[..word.len()]));
        fs::write(&path, &bytes).unwrap();
        let attached = attach(&place, NEEDED).unwrap();
        attached.state.sweep();
        assert!(attached.state.processes().iter().any(|process| process.own), "seed {seed}");
    }
}

#[test]
fn a_file_that_others_may_open_is_left_alone() {
    let folder = Folder::new("mode");
    let place = Place { directory: folder.path.clone(), fleet: "f".into() };
    let path = attach(&place, NEEDED).unwrap().path;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let before = fs::read(&path).unwrap();
    let refusal = attach(&place, NEEDED).err().unwrap().to_string();
    assert!(refusal.contains("its mode is 666") && refusal.contains(path.to_str().unwrap()), "{refusal}");
    assert_eq!(fs::read(&path).unwrap(), before);
}
