//! The learned scorer: files are read or refused by name, prompts of any bytes have features, walks do what objectives
//! say, and the gate comes first.

#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use std::collections::BTreeMap;

use common::scorers::{All, SPEC, artifact, base64, rows};
use junctor_core::learned::artifact::{Artifact, ArtifactError, ModelFacts};
use junctor_core::learned::features::{Block, FeatureSpec, extract};
use junctor_core::learned::outline::{Field, Fields};
use junctor_core::learned::{MAX_MODELS, Outline, Scorer};
use junctor_core::record::DecisionRecord;
use junctor_core::request::Request;
use junctor_core::router::Router;
use junctor_core::spec::FleetSpec;
use junctor_core::units::Nanos;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn a_file_is_what_was_written() {
    let made = artifact(&["small", "large"]);
    let file = made.write();
    assert_eq!(Artifact::read(&file).unwrap(), made);
    let scorer = Scorer::read(&file).unwrap();
    assert_eq!(scorer.model("large"), Some(1));
    assert_eq!(scorer.model("other"), None);
}

#[test]
fn every_damage_has_its_error() {
    let file = artifact(&["small", "large"]).write();
    for end in (0..200).chain([file.len() / 2, file.len() - 1]) {
        let error = Artifact::read(&file[..end]).unwrap_err();
        let expected = if end < 8 {
            matches!(error, ArtifactError::NoArtifact)
        } else {
            matches!(error, ArtifactError::Length { .. })
        };
        assert!(expected, "cut at {end}: {error}");
    }
    let longer: Vec<u8> = file.iter().copied().chain([0]).collect();
    assert!(matches!(Artifact::read(&longer), Err(ArtifactError::Length { .. })));
    for place in 0..200 {
        for bit in 0..8 {
            let mut damaged = file.clone();
            damaged[place] ^= 1 << bit;
            let error = Artifact::read(&damaged).unwrap_err();
            let expected = match place {
                0..8 => matches!(error, ArtifactError::NoArtifact),
                8..10 => matches!(error, ArtifactError::Version(_)),
                12..16 => matches!(error, ArtifactError::Length { .. }),
                _ => matches!(error, ArtifactError::Checksum { .. }),
            };
            assert!(expected, "bit {bit} of byte {place}: {error}");
        }
    }
}

#[test]
fn what_has_no_meaning_is_refused_by_name() {
    let wrong = |change: fn(&mut Artifact)| {
        let mut made = artifact(&["small", "large"]);
        change(&mut made);
        let told = made.check().unwrap_err().to_string();
        assert_eq!(Artifact::read(&made.write()).unwrap_err().to_string(), told);
        told
    };
    assert!(wrong(|a| a.scales[0] = f32::NAN).contains("scale of words is NaN"));
    assert!(wrong(|a| a.band = f32::INFINITY).contains("band is inf"));
    assert!(wrong(|a| a.models[0].bias = f32::NAN).contains("bias of \"small\" is NaN"));
    assert!(wrong(|a| a.models[0].step = -1.0).contains("step of \"small\""));
    assert!(wrong(|a| a.models[1].label_mean = 1.5).contains("label mean of \"large\" is 1.5"));
    assert!(wrong(|a| a.models[1].name = "small".into()).contains("\"small\" twice"));
    assert!(wrong(|a| a.models[1].name = String::new()).contains("name of a model"));
    assert!(wrong(|a| a.models[0].knots.clear()).contains("calibration of \"small\""));
    assert!(wrong(|a| a.models[0].knots[1].0 = -1.0).contains("both rising"));
    assert!(wrong(|a| a.weights.truncate(2_047)).contains("number of weights is 2047 of 2048"));
    assert!(wrong(|a| a.models.clear()).contains("number of models is 0"));
}

#[test]
fn artifacts_of_other_layouts_and_features_are_refused_by_name() {
    let mut other = artifact(&["small", "large"]).write();
    other[8] = 1;
    let told = Artifact::read(&other).unwrap_err().to_string();
    assert_eq!(told, "the artifact's layout has version 1; this junctor reads version 2: train it again");
    let told = |place: usize, byte: u8| {
        let mut other = artifact(&["small", "large"]).write();
        other[place] = byte;
        assert!(matches!(Artifact::read(&other), Err(ArtifactError::Checksum { .. })));
        let sum = summed(&other[24..]).to_le_bytes();
        other[16..24].copy_from_slice(&sum);
        Artifact::read(&other).unwrap_err().to_string()
    };
    let expected = "the artifact was trained on features of version 1; this junctor makes version 2: train it again";
    assert_eq!(told(24, 1), expected);
    assert!(told(30, 0x80).contains("fields 0 to 127"));
    assert!(told(31, 1).contains("feature specification"));
}

/// The checksum as the header of the file describes it, written again.
fn summed(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.split_at(bytes.len() / 8 * 8);
    let words = words.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    words
        .chain(rest.iter().map(|byte| u64::from(*byte)))
        .fold(bytes.len() as u64, |sum, word| junctor_core::draw::mix(sum.rotate_left(5) ^ word))
}

#[test]
fn what_came_with_the_text_counts_if_the_artifact_knows_it_and_else_not_at_all() {
    let tools = |count| {
        let mut outline = Outline::PLAIN;
        outline.0[Field::Tools as usize] = count;
        outline
    };
    let mut made = artifact(&["small", "large"]);
    let blind = Scorer::read(&made.write()).unwrap();
    assert_eq!(blind.predict("hard", &tools(12)), blind.predict("hard", &Outline::PLAIN));
    made.spec.fields = Fields::NONE.with("tools").unwrap();
    made.scales = [0.0, 0.0, 0.0, 1.0];
    let mut told = All::default();
    extract("", &tools(12), &made.spec, &mut told);
    let row = told.0.iter().find(|(block, _)| *block == Block::Outline as u8).unwrap().1 as usize;
    made.weights.fill(0);
    made.weights[row * 2] = -60;
    let scorer = Scorer::read(&made.write()).unwrap();
    assert_eq!(Artifact::read(&made.write()).unwrap(), made);
    let quality = |outline| scorer.predict("anything", &outline).qualities[0];
    assert!((quality(Outline::PLAIN) - 0.7).abs() < 1e-6, "without tools as the mean");
    assert!((quality(tools(12)) - (0.7 - 0.6 / 2_f32.sqrt())).abs() < 1e-6, "with a dozen tools worse");
    assert!((quality(tools(15)) - quality(tools(12))).abs() < f32::EPSILON, "as many, to a power of two");
}

/// The same as the scorer, without any of its care: floats, maps, one model at a time.
fn naive(made: &Artifact, text: &str) -> Vec<f32> {
    let mut blocks: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
    rows(text, &made.spec).into_iter().for_each(|(block, row)| blocks.entry(block).or_default().push(row));
    let quality = |(place, model): (usize, &ModelFacts)| {
        let mut raw = f64::from(model.bias);
        for (block, rows) in &blocks {
            let weights = rows.iter().map(|row| f64::from(made.weights[*row as usize * made.models.len() + place]));
            let scale = f64::from(made.scales[usize::from(*block)]) / (rows.len() as f64).sqrt();
            raw += scale * f64::from(model.step) * weights.sum::<f64>();
        }
        raw.clamp(0.0, 1.0) as f32
    };
    made.models.iter().enumerate().map(quality).collect()
}

proptest! {
    #[test]
    fn any_text_has_bounded_features_that_never_change(text in any::<String>(), bits in 8_u8..=18, pairs: bool, low in 2_u8..=5, more in 0_u8..=3) {
        let spec = FeatureSpec { bits, pairs, grams: (low, (low + more).min(5)), fields: Fields::NONE };
        let found = rows(&text, &spec);
        prop_assert_eq!(&found, &rows(&text, &spec));
        prop_assert!(found.iter().all(|(_, row)| (*row as usize) < spec.rows()));
        prop_assert!(found.len() <= 64 + 16 * text.len());
    }

    #[test]
    fn any_bytes_are_an_artifact_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), places in prop::collection::vec((0_usize..2_000, any::<u8>()), 0..8)) {
        prop_assert!(Artifact::read(&bytes).is_err());
        let mut file = artifact(&["a", "b", "c"]).write();
        let whole = file.clone();
        places.iter().for_each(|(place, byte)| file[*place] = *byte);
        prop_assert_eq!(Artifact::read(&file).is_ok(), file == whole);
    }

    #[test]
    fn scores_are_those_of_a_naive_twin(text in "[a-z é0-9.?\n]{0,300}", seed: u64, count in 1_usize..=MAX_MODELS) {
        let names: Vec<String> = (0..count).map(|place| format!("m{place}")).collect();
        let mut made = artifact(&names.iter().map(String::as_str).collect::<Vec<_>>());
        made.scales = [1.0, 0.5, 0.3, 0.7];
        let mut draw = junctor_core::draw::Draw::new(seed);
        made.weights.iter_mut().for_each(|weight| *weight = draw.next_u64() as i8);
        made.models.iter_mut().for_each(|model| model.step = 0.002);
        let told = Scorer::read(&made.write()).unwrap().predict(&text, &Outline::PLAIN);
        for (one, other) in told.qualities.iter().zip(naive(&made, &text)) {
            prop_assert!((one - other).abs() < 1e-4, "{one} {other}");
        }
    }
}

#[test]
fn features_do_not_drift() {
    // Whatever changes these changes `features::VERSION`.
    let known = rows("What is 2+2? Ünïcode, and a word", &FeatureSpec { bits: 16, ..SPEC });
    let sum = known
        .iter()
        .fold(0_u64, |sum, (block, row)| junctor_core::draw::mix(sum ^ u64::from(*row) << 2 ^ u64::from(*block)));
    assert_eq!((known.len(), format!("{sum:016x}").as_str()), (KNOWN.0, KNOWN.1));
}

const KNOWN: (usize, &str) = (49, "7f217ac287c20364");

#[test]
fn a_long_prompt_is_read_at_both_ends_only() {
    let long = |middle: &str| format!("begin {} {middle} {} end", "x ".repeat(2_000), "y ".repeat(2_000));
    assert_eq!(rows(&long(&"unseen ".repeat(100_000)), &SPEC), rows(&long("other words altogether"), &SPEC));
    assert_ne!(rows(&long(""), &SPEC), rows(&format!("{} hard", long("")), &SPEC));
}

fn fleet(objective: &Value, names: &[&str]) -> FleetSpec {
    let deployment = |name: &str, price: u64, quality: f64, region: &str| {
        json!({"name": name, "provider": "p", "model": format!("p/{name}"), "region": region, "quality": quality,
               "pools": [name], "price": {"input": price, "output": price}})
    };
    let pool = |name: &str| json!({"name": name, "limits": [{"dimension": "rpm", "limit": 6}]});
    serde_json::from_value(json!({
        "config_hash": "test",
        "pools": [pool("small"), pool("large")],
        "deployments": [deployment("small", 100_000, 0.7, "eu"), deployment("large", 10_000_000, 0.8, "us")],
        "groups": [{"name": "g", "members": ["small", "large"], "objective": objective}],
        "compliance": [{"name": "eu", "when": {"attribute": "data", "one_of": ["eu"]}, "require": {"region": ["eu"]}}],
        "scorer": {"artifact": base64(&artifact(names).write())},
    }))
    .unwrap()
}

fn ask<'r>(text: Option<&'r str>, tags: &'r [(&'r str, &'r str)]) -> Request<'r> {
    Request { model: "g", input_tokens: 100, text, tags, ..Request::default() }
}

/// Where requests with this text go, for some seeds: always the same place.
fn goes(router: &Router, request: &Request<'_>) -> DecisionRecord {
    let told: Vec<_> = (0..20)
        .map(|seed| {
            let made = router.explain(request, Nanos::from_secs(1), seed).unwrap();
            DecisionRecord::of(&router.fleet(), &made, "g")
        })
        .collect();
    assert!(told.iter().all(|one| one.deployment == told[0].deployment), "{told:?}");
    told[0].clone()
}

#[test]
fn each_objective_does_what_it_says() {
    let names = ["small", "large"];
    let (easy, hard) = (ask(Some("an easy one"), &[]), ask(Some("hard"), &[]));
    // Predicted: small .70 or .10, large always .80.
    for (objective, easy_goes, hard_goes) in [
        (json!({"gap": 0.15}), "small", "large"),
        (json!({"gap": 0.05}), "large", "large"),
        (json!({"gap": 1.0}), "small", "small"),
        (json!({"floor": 0.6}), "small", "large"),
        (json!({"floor": 0.95}), "large", "large"),
        (json!({"floor": 0.6, "cost": 0.0, "quality": 1.0}), "large", "large"),
        (json!({"tolerance": 0.0}), "large", "large"),
        (json!({"tolerance": 1.0}), "small", "small"),
        (json!({"quality": 1.0}), "large", "large"),
        // The price is a hundred times higher, 4.6 in logarithms: worth .14 here, and .69 there.
        (json!({"quality": 1.0, "cost": 0.03}), "small", "large"),
        (json!({"quality": 1.0, "cost": 0.16}), "small", "small"),
        (json!("best"), "large", "large"),
        (json!("cheapest"), "small", "small"),
    ] {
        let router = Router::new(&fleet(&objective, &names)).unwrap();
        assert_eq!(goes(&router, &easy).deployment.as_deref(), Some(easy_goes), "easy, {objective}");
        assert_eq!(goes(&router, &hard).deployment.as_deref(), Some(hard_goes), "hard, {objective}");
    }
}

#[test]
fn explanations_say_what_was_predicted_by_whom() {
    let router = Router::new(&fleet(&json!({"gap": 0.15}), &["small", "large"])).unwrap();
    let told = goes(&router, &ask(Some("hard"), &[]));
    let quality = |told: &DecisionRecord, name: &str| {
        let seen = told.candidates.iter().find(|seen| seen.deployment == name).unwrap();
        (format!("{:.2}", seen.quality), seen.quality_from.clone())
    };
    assert_eq!(quality(&told, "small"), ("0.10".into(), "predicted".into()));
    assert_eq!(quality(&told, "large"), ("0.80".into(), "predicted".into()));
    assert_eq!(told.scorer.as_deref().map(str::len), Some(16));
    // Nothing in it that the scorer knows: it abstains, and what is configured counts.
    let told = goes(&router, &ask(Some("an easy one"), &[]));
    assert_eq!(quality(&told, "small"), ("0.70".into(), "abstained".into()));
    // Nobody was asked.
    let told = goes(&router, &ask(None, &[]));
    assert_eq!((quality(&told, "small").1, told.scorer), (String::new(), None));
    let router = Router::new(&fleet(&json!("cheapest"), &["small", "large"])).unwrap();
    assert_eq!(goes(&router, &ask(Some("hard"), &[])).scorer, None, "an objective without quality asks nobody");
}

#[test]
fn a_model_that_was_not_measured_keeps_its_quality_or_is_like_another() {
    let mut spec = fleet(&json!({"quality": 1.0}), &["small", "other"]);
    let router = Router::new(&spec).unwrap();
    let sources = |router: &Router| {
        let told = goes(router, &ask(Some("hard"), &[]));
        told.candidates
            .iter()
            .map(|seen| (seen.deployment.clone(), seen.quality_from.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(sources(&router)["large"], "");
    let scorer = spec.scorer.as_mut().unwrap();
    scorer.like.insert("p/large".into(), "other".into());
    assert_eq!(sources(&Router::new(&spec).unwrap())["large"], "like");
    spec.scorer.as_mut().unwrap().models.insert("p/large".into(), "other".into());
    assert_eq!(sources(&Router::new(&spec).unwrap())["large"], "predicted");
    spec.scorer.as_mut().unwrap().models.insert("p/small".into(), "nobody".into());
    let Err(error) = Router::new(&spec) else { panic!("nobody is nobody") };
    assert!(error.to_string().contains("scorer.models.p/small refers to the artifact's model \"nobody\""), "{error}");
}

#[test]
fn the_gate_comes_first_and_sets_the_standard() {
    for objective in [json!({"gap": 0.1}), json!({"floor": 0.6}), json!({"quality": 1.0}), json!({"tolerance": 0.0})] {
        let router = Router::new(&fleet(&objective, &["small", "large"])).unwrap();
        let request = ask(Some("hard"), &[("data", "eu")]);
        for seed in 0..50 {
            let made = router.reserve(&request, Nanos::from_secs(1 + 60 * seed), seed).unwrap();
            let name = &made.deployment().unwrap().name;
            assert_eq!(&**name, "small", "{objective}");
        }
    }
}

#[test]
fn when_the_best_is_out_the_next_serves_and_the_decision_is_replayed() {
    let router = Router::new(&fleet(&json!({"gap": 0.15}), &["small", "large"])).unwrap();
    let (request, now) = (ask(Some("hard"), &[]), Nanos::from_secs(1));
    let mut served = Vec::new();
    for seed in 0..8 {
        let Ok(made) = router.reserve(&request, now, seed) else { break };
        served.push(made.deployment().unwrap().name.to_string());
        let decision = made.decision();
        let again = router.replay(&ask(None, &[]), now, seed, &decision.log).unwrap();
        let fleet = router.fleet();
        let record = |decision| DecisionRecord::of(&fleet, decision, "g");
        assert_eq!(record(&again).candidates, record(decision).candidates);
        assert_eq!(again.deployment, decision.deployment, "a replay needs no text");
        std::mem::forget(made);
    }
    assert_eq!(served.first().map(String::as_str), Some("large"));
    assert!(served.iter().any(|name| name == "small"), "{served:?}");
}

#[test]
fn a_reload_swaps_the_scorer() {
    let spec = fleet(&json!({"gap": 0.15}), &["small", "large"]);
    let router = Router::new(&spec).unwrap();
    let request = ask(Some("hard"), &[]);
    let before = goes(&router, &request);
    assert_eq!(before.deployment.as_deref(), Some("large"));
    let mut changed = artifact(&["small", "large"]);
    changed.weights.iter_mut().for_each(|weight| *weight = -*weight);
    let mut spec = spec;
    let value = json!({"artifact": base64(&changed.write())});
    spec.scorer = Some(serde_json::from_value(value).unwrap());
    router.reload(&spec, Nanos::from_secs(2)).unwrap();
    let after = goes(&router, &request);
    assert_eq!(after.deployment.as_deref(), Some("small"));
    assert_ne!(before.scorer, after.scorer);
}

#[test]
fn a_damaged_artifact_in_a_fleet_says_what_it_is() {
    let mut file = artifact(&["small"]).write();
    file[100] ^= 1;
    let read = |text: String| {
        serde_json::from_value::<FleetSpec>(json!({"scorer": {"artifact": text}})).unwrap_err().to_string()
    };
    assert!(read(base64(&file)).contains("checksum"));
    assert!(read("§".into()).contains("no base64"));
}
