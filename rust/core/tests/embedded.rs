//! Scorers that read embeddings: what they tell is what a naive twin tells, files are read or refused by name, vectors that
//! are none are refused, and a request without one is read by its words.

#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

use junctor_core::learned::artifact::{Artifact, ArtifactError, ModelFacts};
use junctor_core::learned::embedded::dot::{Query, inverse_length, kept};
use junctor_core::learned::embedded::factors::Factors;
use junctor_core::learned::embedded::neighbours::{Neighbours, kept_quality};
use junctor_core::learned::embedded::{Embedded, EmbeddingError, Kind, MAX_DIMENSION, check_numbers};
use junctor_core::learned::features::FeatureSpec;
use junctor_core::learned::outline::{Fields, Outline};
use junctor_core::learned::{Scorer, Source};
use proptest::prelude::*;

/// A file that reads words and says .7 and .8 of every prompt, never abstaining.
fn words(models: usize) -> Vec<u8> {
    let spec = FeatureSpec { bits: 8, pairs: false, grams: (0, 0), fields: Fields::NONE };
    let model = |place: usize| ModelFacts {
        name: format!("m{place}"),
        label_mean: 0.5,
        bias: 0.7 + 0.1 * place as f32,
        step: 0.0,
        knots: [(0.0, 0.0), (1.0, 1.0)].into_iter().collect(),
    };
    let weights = vec![0; spec.rows() * models];
    let models = (0..models).map(model).collect();
    Artifact { spec, scales: [1.0; 4], band: 0.0, rows: 9, day: 20_000, models, weights }.write()
}

fn embedded(dimension: usize, models: usize, kind: Kind) -> Embedded {
    let model = (0.5, [(0.0, 0.0), (1.0, 1.0)].into_iter().collect());
    Embedded { by: "embedder-1".to_owned(), dimension, band: 0.0, models: vec![model; models], kind }
}

fn knn(how: (usize, u8, f32), dimension: usize, vectors: &[Vec<f32>], qualities: &[f32]) -> Embedded {
    let rounded = vectors.iter().flat_map(|vector| kept(vector).unwrap()).collect();
    let bytes = qualities.iter().map(|&quality| kept_quality(quality)).collect();
    embedded(dimension, qualities.len() / vectors.len(), Kind::Knn(Neighbours::new(how, dimension, rounded, bytes)))
}

fn mf(dimension: usize, biases: &[f32], factors: &[f32], rows: &[Vec<f32>]) -> Embedded {
    let step = |row: &Vec<f32>| row.iter().fold(0.0_f32, |most, number| most.max(number.abs())) / 127.0;
    let factors = Factors {
        steps: rows.iter().map(step).collect(),
        biases: biases.to_vec(),
        factors: factors.to_vec(),
        projection: rows.iter().flat_map(|row| kept(row).unwrap()).collect(),
    };
    embedded(dimension, biases.len(), Kind::Mf(factors))
}

fn cosine(one: &[f64], other: &[f64]) -> f64 {
    let dot = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&number| f64::from(number)).collect()
}

fn rounded(vector: &[f32]) -> Vec<f64> {
    kept(vector).unwrap().into_iter().map(f64::from).collect()
}

/// Half a step of 127 of the largest number, in all numbers, as a share of the vector's length: as far as rounding turns it.
fn turned(vector: &[f64], steps: f64) -> f64 {
    let largest = vector.iter().fold(0.0_f64, |most, number| most.max(number.abs()));
    let length = vector.iter().map(|number| number * number).sum::<f64>().sqrt();
    0.5 * largest / steps * (vector.len() as f64).sqrt() / length
}

fn vector(dimension: usize) -> impl Strategy<Value = Vec<f32>> {
    let number = prop_oneof![4 => -1.0_f32..1.0, 1 => Just(0.0_f32), 1 => -100.0_f32..100.0];
    prop::collection::vec(number, dimension).prop_filter("points nowhere", |all| all.iter().any(|n| n.abs() > 1e-3))
}

fn quality() -> impl Strategy<Value = f32> {
    prop_oneof![0.0_f32..=1.0, Just(0.0_f32), Just(1.0_f32), Just(f32::NAN)]
}

proptest! {
    #[test]
    fn neighbours_tell_what_a_naive_twin_tells(
        (vectors, query, qualities) in (1_usize..40, 1_usize..24, 1_usize..=4).prop_flat_map(|(count, dimension, models)| {
            (prop::collection::vec(vector(dimension), count), vector(dimension), prop::collection::vec(quality(), count * models))
        }),
        nearest in 1_usize..=16, sharpness in 0_u8..=6, smoothing in 0.01_f32..10.0, length in 0.001_f32..1_000.0,
    ) {
        let models = qualities.len() / vectors.len();
        let made = knn((nearest, sharpness, smoothing), query.len(), &vectors, &qualities);
        let scaled: Vec<f32> = query.iter().map(|number| number * length).collect();
        let told = made.predict(&scaled).unwrap();
        // The twin looks at the rounded vectors, in f64, sorting all of them.
        let asked = wide(&query);
        let mut near: Vec<(f64, usize)> =
            vectors.iter().enumerate().map(|(place, vector)| (cosine(&asked, &rounded(vector)), place)).collect();
        near.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        // What is as near as the last one that is asked: rounding of the query says which of them is.
        let close = 3.2 * turned(&asked, 2_047.0) + 1e-5;
        prop_assume!(near.len() <= nearest || near[nearest - 1].0 - near[nearest].0 > close);
        for model in 0..models {
            let (mut above, mut below) = (f64::from(smoothing) * 0.5, f64::from(smoothing));
            for &(cosine, place) in near.iter().take(nearest) {
                let quality = qualities[place * models + model];
                if !quality.is_nan() {
                    let weight = f64::midpoint(1.0, cosine).max(0.0).powi(1 << sharpness);
                    above += weight * (f64::from(quality) * 254.0).round() / 254.0;
                    below += weight;
                }
            }
            let tolerance = 1e-4 + 2.0 * f64::from(1_u32 << sharpness) * turned(&asked, 2_047.0);
            prop_assert!((f64::from(told.qualities[model]) - above / below).abs() < tolerance);
        }
    }

    #[test]
    fn rounding_turns_a_vector_by_less_than_half_a_step_of_each_number(
        (one, other) in (1_usize..200).prop_flat_map(|dimension| (vector(dimension), vector(dimension)))
    ) {
        let stored = kept(&other).unwrap();
        let found = f64::from(Query::of(&one).unwrap().dot(&stored) * inverse_length(&stored));
        let (one, other) = (wide(&one), wide(&other));
        // A chord is at most its angle, an angle at most half pi times its sine.
        let bound = std::f64::consts::FRAC_PI_2 * (turned(&one, 2_047.0) + turned(&other, 127.0)) + 1e-5;
        prop_assert!((found - cosine(&one, &other)).abs() <= bound, "{found} {}", cosine(&one, &other));
        prop_assert!(found.abs() <= 1.0 + 1e-6);
    }

    #[test]
    fn factors_tell_what_a_naive_twin_tells(
        (rows, query, factors, biases) in (1_usize..=6, 1_usize..40, 1_usize..=9).prop_flat_map(|(rank, dimension, models)| (
            prop::collection::vec(vector(dimension), rank), vector(dimension),
            prop::collection::vec(-1.0_f32..1.0, rank * models), prop::collection::vec(0.0_f32..1.0, models),
        )),
    ) {
        let made = mf(query.len(), &biases, &factors, &rows);
        let told = made.predict(&query).unwrap();
        let asked = wide(&query);
        let length = asked.iter().map(|number| number * number).sum::<f64>().sqrt();
        let large = |row: &Vec<f32>| row.iter().fold(0.0_f64, |most, number| most.max(f64::from(number.abs())));
        for (model, bias) in biases.iter().enumerate() {
            let (mut raw, mut tolerance) = (f64::from(*bias), 1e-4);
            for (factor, row) in factors[model * rows.len()..].iter().zip(&rows) {
                let seen: f64 = rounded(row).iter().zip(&asked).map(|(a, b)| a * b).sum();
                raw += f64::from(*factor) * seen * large(row) / 127.0 / length;
                let longest = large(row) * (row.len() as f64).sqrt();
                tolerance += f64::from(factor.abs()) * longest * 2.0 * turned(&asked, 2_047.0);
            }
            let difference = (f64::from(told.qualities[model]) - raw.clamp(0.0, 1.0)).abs();
            prop_assert!(difference <= tolerance, "{difference} > {tolerance}");
        }
    }

    #[test]
    fn any_numbers_are_an_embedding_or_refused(numbers in prop::collection::vec(any::<f32>(), 0..20)) {
        let made = knn((1, 0, 1.0), 8, &[vec![1.0; 8]], &[1.0]);
        let told = made.predict(&numbers);
        if let Err(error) = made.check(&numbers) {
            prop_assert!(told.is_none(), "{error}");
        }
        if let Some(told) = told {
            prop_assert!((0.0..=1.0).contains(&told.qualities[0]));
        }
    }

    #[test]
    fn any_bytes_in_a_file_are_found_out(places in prop::collection::vec((0_usize..100, any::<u8>()), 1..8)) {
        let file = knn((2, 1, 0.5), 3, &[vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.5]], &[1.0, 0.0]).write(&words(1));
        let mut damaged = file.clone();
        places.iter().for_each(|(place, byte)| damaged[*place] = *byte);
        prop_assert_eq!(Scorer::read(&damaged).is_ok(), damaged == file);
    }
}

#[test]
fn a_file_of_each_kind_is_what_was_written() {
    let near = knn((2, 3, 0.5), 2, &[vec![1.0, 0.0], vec![0.6, 0.8]], &[1.0, 0.0, f32::NAN, 0.5]);
    let factors = mf(2, &[0.5, 0.6], &[0.1, 0.2], &[vec![3.0, -4.0]]);
    for made in [near, factors] {
        let scorer = Scorer::read(&made.write(&words(2))).unwrap();
        assert_eq!(scorer.embedded(), Some(&made));
        assert_eq!(scorer.model("m1"), Some(1));
        let told = scorer.tell(Some("hello"), &Outline::PLAIN, Some(&[0.0, 2.0])).unwrap();
        assert_eq!(Some(told), made.predict(&[0.0, 2.0]));
        assert!(!told.instead);
    }
}

#[test]
fn the_nearest_prompt_decides_and_the_mean_holds_back() {
    let made = knn((1, 0, 1.0), 2, &[vec![1.0, 0.0], vec![0.0, 1.0]], &[1.0, 0.0]);
    let told = |embedding: [f32; 2]| made.predict(&embedding).unwrap().qualities[0];
    // One neighbour of weight 1, and the mean of .5 with weight 1.
    assert!((told([5.0, 0.0]) - 0.75).abs() < 1e-6);
    assert!((told([0.0, 0.1]) - 0.25).abs() < 1e-6);
    // The neighbour at a right angle weighs a half; of the two that are as near, the first is asked.
    assert!((told([0.0, -1.0]) - (0.5 + 0.5) / 1.5).abs() < 1e-6);
    assert!((told([-1.0, -1.0]) - (0.5 + 0.146_446) / 1.146_446).abs() < 1e-3);
}

#[test]
fn a_request_without_an_embedding_is_read_by_its_words() {
    let file = knn((1, 0, 1.0), 2, &[vec![1.0, 0.0]], &[1.0, 0.0]).write(&words(2));
    let scorer = Scorer::read(&file).unwrap();
    let told = scorer.tell(Some("hello"), &Outline::PLAIN, None).unwrap();
    assert!(told.instead);
    assert_eq!(&told.qualities[..2], &[0.7, 0.8]);
    assert_eq!(scorer.tell(None, &Outline::PLAIN, None), None);
    // A walk that meets what nobody checked says so too.
    assert!(scorer.tell(Some("hello"), &Outline::PLAIN, Some(&[1.0])).unwrap().instead);
    assert!(scorer.tell(Some("hello"), &Outline::PLAIN, Some(&[f32::NAN, 1.0])).unwrap().instead);
    assert_eq!(scorer.tell(None, &Outline::PLAIN, Some(&[0.0, 0.0])), None);
    let plain = Scorer::read(&words(2)).unwrap();
    assert!(
        !plain.tell(Some("hello"), &Outline::PLAIN, Some(&[1.0])).unwrap().instead,
        "a scorer of words has missed nothing"
    );
    assert_eq!(Source::named("words"), Source::Words);
}

#[test]
fn what_is_no_embedding_is_refused_by_name() {
    let scorer = Scorer::read(&knn((1, 0, 1.0), 2, &[vec![1.0, 0.0]], &[1.0]).write(&words(1))).unwrap();
    let told = |embedding: &[f32]| scorer.check(embedding).unwrap_err().to_string();
    assert!(told(&[1.0]).contains("has 1 numbers; the scorer was trained on 2: make it with embedder-1"));
    assert!(told(&[1.0, f32::NAN]).contains("number 1 of the embedding is NaN; allowed are finite numbers"));
    assert!(told(&[f32::INFINITY, 1.0]).contains("number 0 of the embedding is inf"));
    assert!(told(&[0.0, -0.0]).contains("all zeros"));
    assert_eq!(scorer.check(&[0.5, 0.0]), Ok(()));
    assert_eq!(Scorer::read(&words(1)).unwrap().check(&[]), Ok(()), "who reads none judges none");
    assert_eq!(check_numbers(&[]), Err(EmbeddingError::Nowhere));
    assert!(Query::of(&vec![1.0; MAX_DIMENSION + 1]).is_none());
}

#[test]
fn what_has_no_meaning_in_a_file_is_refused_by_name() {
    let good = || knn((2, 1, 0.5), 3, &[vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.5]], &[1.0, 0.0]);
    let wrong = |change: fn(&mut Embedded)| {
        let mut made = good();
        change(&mut made);
        let told = made.check_part(1).unwrap_err().to_string();
        assert_eq!(Scorer::read(&made.write(&words(1))).unwrap_err().to_string(), told);
        told
    };
    assert!(wrong(|e| e.by = String::new()).contains("name of the embedding model is \"\""));
    assert!(wrong(|e| e.band = f32::NAN).contains("band of embeddings is NaN"));
    assert!(wrong(|e| e.models[0].0 = 2.0).contains("label mean 0 of embeddings is 2"));
    assert!(wrong(|e| e.models[0].1.clear()).contains("calibration 0 of embeddings"));
    let neighbours = |change: fn(&mut Neighbours)| {
        let mut made = good();
        if let Kind::Knn(neighbours) = &mut made.kind {
            change(neighbours);
        }
        made.check_part(1).unwrap_err().to_string()
    };
    assert!(neighbours(|n| n.nearest = 0).contains("number of neighbours is 0; allowed is 1 to 128"));
    assert!(neighbours(|n| n.sharpness = 11).contains("sharpness is 11"));
    assert!(neighbours(|n| n.smoothing = 0.0).contains("smoothing is 0"));
    let zeros = Neighbours::new((1, 1, 1.0), 2, vec![0, 0], vec![9]);
    assert!(embedded(2, 1, Kind::Knn(zeros)).check_part(1).unwrap_err().to_string().contains("all zeros in vector 0"));
    let none = Neighbours::new((1, 1, 1.0), 2, vec![], vec![]);
    assert!(embedded(2, 1, Kind::Knn(none)).check_part(1).unwrap_err().to_string().contains("0 bytes of 0 prompts"));
    let large = Neighbours::new((1, 1, 1.0), 4_096, vec![1; 3_073 * 4_096], vec![9; 3_073]);
    assert!(embedded(4_096, 1, Kind::Knn(large)).check_part(1).unwrap_err().to_string().contains("12 MiB"));
    let other = mf(2, &[f32::NAN], &[1.0], &[vec![1.0, 1.0]]);
    assert!(other.check_part(1).unwrap_err().to_string().contains("bias of embeddings is NaN"));
    let sizes = mf(2, &[0.5], &[1.0, 2.0], &[vec![1.0, 1.0]]);
    assert!(sizes.check_part(1).unwrap_err().to_string().contains("list of factors is [1, 2, 2]"));
    assert!(good().check_part(2).unwrap_err().to_string().contains("1 beside 2 of the part for words"));
    assert!(embedded(5_000, 1, good().kind).check_part(1).unwrap_err().to_string().contains("dimension of embeddings"));
}

#[test]
fn every_damage_has_its_error() {
    let file = mf(2, &[0.5], &[0.1], &[vec![3.0, -4.0]]).write(&words(1));
    for end in 8..120 {
        assert!(matches!(Scorer::read(&file[..end]), Err(ArtifactError::Length { .. })), "cut at {end}");
    }
    for place in 8..120 {
        let mut damaged = file.clone();
        damaged[place] ^= 4;
        let error = Scorer::read(&damaged).unwrap_err();
        let expected = match place {
            8..10 => matches!(error, ArtifactError::Version(_)),
            12..16 => matches!(error, ArtifactError::Length { .. }),
            _ => matches!(error, ArtifactError::Checksum { .. }),
        };
        assert!(expected, "byte {place}: {error}");
    }
    let error = Artifact::read(&file).unwrap_err().to_string();
    assert!(error.contains("kind is 2"), "{error}");
}
